// SPDX-License-Identifier: GPL-2.0

//! Implements the search for the functions that a hook is for: those that exist when the hook
//! is armed, and those of each module that is loaded later.

use super::{
    target::{Target, Targets},
    within::{copy, Loading, Symbol, Within},
};
use crate::{bindings, fault, symbol};
use core::num::NonZeroUsize;
use kernel::{prelude::*, str::CString};

/// Functions of one part of the kernel that can be hooked.
pub(super) struct Places {
    pub(super) within: Within,
    /// The addresses of the `call __fentry__` at each function's entry, sorted, without
    /// duplicates.
    pub(super) addresses: KVec<usize>,
}

/// One function.
pub(super) struct One {
    module: Option<CString>,
    name: CString,
    position: Option<NonZeroUsize>,
    when_loaded: bool,
    in_modules: bool,
}

/// All functions whose names match.
pub(super) struct Matching {
    pattern: CString,
    except: Option<CString>,
    module: Option<CString>,
    /// Whether functions of all modules are meant.
    in_modules: bool,
}

/// [`Targets`] with memory of their own.
pub(super) enum Wanted {
    /// One or several functions.
    Named(KVec<One>),
    /// All that match.
    Matching(Matching),
    /// The functions at these addresses. They are not searched again when a module is reloaded,
    /// since its functions may have other addresses then.
    Addresses(KVec<usize>),
}

impl One {
    fn new(target: &Target<'_>) -> Result<Self> {
        let (module, name) = symbol::split(target.name)?;
        let module = match (module, target.module) {
            (Some(module), _) => Some(module),
            (None, module) => module.map(copy).transpose()?,
        };
        Ok(Self {
            module,
            name: copy(name)?,
            position: target.position,
            when_loaded: target.when_loaded,
            in_modules: target.in_modules,
        })
    }

    /// Finds the function. If it is in a module, later searches look in that module only.
    fn find(&mut self, loading: &Loading, places: &mut KVec<Places>) -> Result {
        if self.module.is_none() {
            let mut symbols = KVec::new();
            symbol::each_in_vmlinux(&self.name, |address| {
                let is_init = false;
                Ok(symbols.push(Symbol { address, is_init }, GFP_KERNEL)?)
            })?;
            if !(symbols.is_empty() && self.in_modules) {
                let location = self.select(&symbols)?.location()?;
                return add(places, Within::Vmlinux, &[location]);
            }
            self.module = Some(self.find_module()?);
        }
        let module = self.module.as_deref().ok_or(ENOENT)?;
        match self.find_in(module, loading) {
            Ok(Some(found)) => found.add_to(places, module),
            Ok(None) if self.when_loaded => Ok(()),
            Ok(None) => Err(ENOENT),
            Err(error) => Err(error),
        }
    }

    /// Finds the function in `module`. Returns [`None`] if the module is not loaded.
    fn find_in(&self, module: &CStr, loading: &Loading) -> Result<Option<InModule>> {
        let Some(symbols) = loading.symbols(module, |name, _| *name == *self.name)? else {
            return Ok(None);
        };
        let symbol = self.select(&symbols)?;
        let mut found = InModule::new();
        found.add(symbol.location()?, symbol.is_init)?;
        Ok(Some(found))
    }

    /// Finds the one module that has a symbol of this name.
    fn find_module(&self) -> Result<CString> {
        let mut addresses = KVec::new();
        symbol::all_in_modules(None, |name, address| {
            if *name == *self.name {
                addresses.push(address, GFP_KERNEL)?;
            }
            Ok(())
        })?;
        let mut owner: Option<CString> = None;
        for &address in &addresses {
            let module = symbol::module_of(address)?.ok_or(ENOENT)?;
            if owner.as_ref().is_some_and(|owner| **owner != *module) {
                return Err(ENOTUNIQ);
            }
            owner = Some(module);
        }
        owner.ok_or(ENOENT)
    }

    /// Selects the symbol at the position, or the only one.
    fn select<'a>(&self, symbols: &'a [Symbol]) -> Result<&'a Symbol> {
        match (self.position, symbols) {
            (None, [symbol]) => Ok(symbol),
            (None, [_, _, ..]) => Err(ENOTUNIQ),
            (Some(position), _) => symbols.get(position.get() - 1).ok_or(ENOENT),
            (None, []) => Err(ENOENT),
        }
    }
}

impl Matching {
    fn matches(&self, name: &CStr) -> bool {
        let glob = |pattern: &CStr| {
            // SAFETY: Both are strings.
            unsafe { bindings::glob_match(pattern.as_char_ptr(), name.as_char_ptr()) }
        };
        glob(&self.pattern) && !self.except.as_deref().is_some_and(glob)
    }

    fn find(&mut self, loading: &Loading, places: &mut KVec<Places>) -> Result {
        if let Some(module) = self.module.as_deref() {
            let found = self.find_in(module, loading)?.ok_or(ENOENT)?;
            return found.add_to(places, module);
        }
        let mut addresses = KVec::new();
        symbol::all_in_vmlinux(|name, address| {
            if self.matches(name) {
                if let Some(location) = symbol::ftrace_location(address) {
                    addresses.push(location, GFP_KERNEL)?;
                }
            }
            Ok(())
        })?;
        if !addresses.is_empty() {
            return add(places, Within::Vmlinux, &addresses);
        }
        self.in_modules = true;
        symbol::all_in_modules(None, |name, address| {
            if self.matches(name) && symbol::ftrace_location(address).is_some() {
                addresses.push(address, GFP_KERNEL)?;
            }
            Ok(())
        })?;
        let mut last: Option<CString> = None;
        for &address in &addresses {
            // kallsyms lists the functions of a module one after the other.
            let Some(module) = symbol::module_of(address)? else {
                continue;
            };
            if last.as_ref().is_none_or(|last| **last != *module) {
                if let Some(found) = self.find_in(&module, loading)? {
                    found.add_to(places, &module)?;
                }
                last = Some(module);
            }
        }
        Ok(())
    }

    /// Finds the functions in `module`. Returns [`None`] if the module is not loaded.
    fn find_in(&self, module: &CStr, loading: &Loading) -> Result<Option<InModule>> {
        let Some(symbols) = loading.symbols(module, |name, _| self.matches(name))? else {
            return Ok(None);
        };
        let mut found = InModule::new();
        for symbol in &symbols {
            if let Ok(location) = symbol.location() {
                found.add(location, symbol.is_init)?;
            }
        }
        Ok(Some(found))
    }
}

impl Wanted {
    /// Copies `targets`.
    ///
    /// # Errors
    ///
    /// - `ENOENT`, `EINVAL`: a name is empty, or not UTF-8.
    /// - `ENOMEM`: there is no memory for the copy.
    pub(super) fn new(targets: &Targets<'_>) -> Result<Self> {
        fault::SYMBOL_LOOKUP.check()?;
        let mut named = KVec::new();
        match targets {
            Targets::One(target) => named.push(One::new(target)?, GFP_KERNEL)?,
            Targets::Several(targets) => {
                for target in *targets {
                    named.push(One::new(target)?, GFP_KERNEL)?;
                }
            }
            Targets::Pattern(pattern) => {
                return Ok(Self::Matching(Matching {
                    pattern: copy(pattern.pattern)?,
                    except: pattern.except.map(copy).transpose()?,
                    module: pattern.module.map(copy).transpose()?,
                    in_modules: false,
                }))
            }
            Targets::Addresses(addresses) => {
                let mut copy = KVec::new();
                copy.extend_from_slice(addresses, GFP_KERNEL)?;
                return Ok(Self::Addresses(copy));
            }
        }
        Ok(Self::Named(named))
    }

    /// Finds the functions that exist now. The result has each part of the kernel once.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no function of this name, or none at this position, or no function
    ///   matches.
    /// - `EINVAL`: the function cannot be traced: it is `notrace`, or the symbol is not a function.
    /// - `ENOTUNIQ`: several functions have this name, and no position was given.
    /// - `ENOMEM`: there is no memory for the result.
    /// - `ENODEV`: the library is not initialised.
    pub(super) fn find(&mut self, loading: &Loading) -> Result<KVec<Places>> {
        let mut places = KVec::new();
        let mut may_be_none = false;
        match self {
            Self::Named(named) => {
                for one in &mut *named {
                    one.find(loading, &mut places)?;
                }
                may_be_none = named.iter().any(|one| one.when_loaded);
            }
            Self::Matching(matching) => matching.find(loading, &mut places)?,
            Self::Addresses(addresses) => find_addresses(addresses, loading, &mut places)?,
        }
        if places.is_empty() && !may_be_none {
            return Err(ENOENT);
        }
        Ok(sorted(places))
    }

    /// Finds the functions of `module`, which is being loaded. The result is empty if the hook is
    /// for no function of this module.
    ///
    /// # Errors
    ///
    /// As [`Wanted::find`].
    pub(super) fn find_in(&self, module: &CStr, loading: &Loading) -> Result<KVec<Places>> {
        let mut places = KVec::new();
        let mut take = |found: Option<InModule>| match found {
            Some(found) => found.add_to(&mut places, module),
            None => Ok(()),
        };
        match self {
            Self::Named(named) => {
                let is_its = |one: &&One| one.module.as_ref().is_some_and(|own| **own == *module);
                for one in named.iter().filter(is_its) {
                    take(one.find_in(module, loading)?)?;
                }
            }
            Self::Matching(matching) => {
                let own = matching.module.as_deref();
                if matching.in_modules || own.is_some_and(|own| *own == *module) {
                    take(matching.find_in(module, loading)?)?;
                }
            }
            Self::Addresses(_) => {}
        }
        Ok(sorted(places))
    }

    /// Returns the name of the first function, for the log.
    pub(super) fn name(&self) -> &CStr {
        match self {
            Self::Named(named) => named.first().map_or(c"", |one| &one.name),
            Self::Matching(matching) => &matching.pattern,
            Self::Addresses(_) => c"",
        }
    }
}

/// An upper bound for the distance from a function's address to its `call __fentry__`. At most an
/// ENDBR is between them.
const MAX_ENTRY: usize = 16;

/// Finds the functions at `addresses`.
fn find_addresses(addresses: &[usize], loading: &Loading, places: &mut KVec<Places>) -> Result {
    let mut modules: KVec<(CString, KVec<usize>)> = KVec::new();
    for &address in addresses {
        let location = symbol::ftrace_location(address).ok_or(EINVAL)?;
        let Some(module) = symbol::module_of(location)? else {
            add(places, Within::Vmlinux, &[location])?;
            continue;
        };
        if let Some((_, list)) = modules.iter_mut().find(|(name, _)| **name == *module) {
            list.push(location, GFP_KERNEL)?;
            continue;
        }
        let mut list = KVec::new();
        list.push(location, GFP_KERNEL)?;
        modules.push((module, list), GFP_KERNEL)?;
    }
    for (module, mut locations) in modules {
        sort(&mut locations);
        // Only the module's symbols show which of these are init functions.
        let is_near = |_: &CStr, symbol: usize| {
            let next = locations.partition_point(|&location| location < symbol);
            let next = locations.get(next);
            next.is_some_and(|location| location - symbol < MAX_ENTRY)
        };
        let symbols = loading.symbols(&module, is_near)?.ok_or(ENOENT)?;
        let mut found = InModule::new();
        for symbol in &symbols {
            match symbol.location() {
                Ok(location) if locations.binary_search(&location).is_ok() => {
                    found.add(location, symbol.is_init)?;
                }
                _ => {}
            }
        }
        if found.is_empty() {
            return Err(EINVAL);
        }
        found.add_to(places, &module)?;
    }
    Ok(())
}

/// Functions of a module.
struct InModule {
    core: KVec<usize>,
    init: KVec<usize>,
}

impl InModule {
    fn new() -> Self {
        Self {
            core: KVec::new(),
            init: KVec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.core.is_empty() && self.init.is_empty()
    }

    fn add(&mut self, location: usize, is_init: bool) -> Result {
        let list = if is_init {
            &mut self.init
        } else {
            &mut self.core
        };
        Ok(list.push(location, GFP_KERNEL)?)
    }

    fn add_to(self, places: &mut KVec<Places>, module: &CStr) -> Result {
        add(places, Within::Module(copy(module)?), &self.core)?;
        add(places, Within::ModuleInit(copy(module)?), &self.init)
    }
}

/// Adds the functions at `locations` to those of the same part of the kernel.
///
/// # Errors
///
/// `ENOMEM`.
fn add(places: &mut KVec<Places>, within: Within, locations: &[usize]) -> Result {
    if locations.is_empty() {
        return Ok(());
    }
    if let Some(other) = places.iter_mut().find(|other| other.within == within) {
        return Ok(other.addresses.extend_from_slice(locations, GFP_KERNEL)?);
    }
    let mut addresses = KVec::new();
    addresses.extend_from_slice(locations, GFP_KERNEL)?;
    Ok(places.push(Places { within, addresses }, GFP_KERNEL)?)
}

/// Sorts addresses.
pub(super) fn sort(addresses: &mut [usize]) {
    // SAFETY: The pointer and the length are those of one slice.
    unsafe { bindings::sort_addresses(addresses.as_mut_ptr(), addresses.len()) };
}

/// Sorts the addresses of each part of the kernel, and removes duplicates.
fn sorted(mut places: KVec<Places>) -> KVec<Places> {
    for Places { addresses, .. } in &mut places {
        sort(addresses);
        let mut last = None;
        addresses.retain(|&mut address| last.replace(address) != Some(address));
    }
    places
}
