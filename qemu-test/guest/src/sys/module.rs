// SPDX-License-Identifier: GPL-2.0

//! Loads and unloads the modules that were built for this kernel.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};

use super::kernel::patience;
use super::{cmd, debugfs, expect_errno, kmsg, Answer};

/// The base of the library, which every other module depends on.
pub const LIBRARY: &str = "tackle";

/// The rest of the library, which modules with hooks and live patches depend on.
pub const FTRACE: &str = "tackle_ftrace";

/// The tests of the library, which run when it is loaded.
pub const KUNIT: &str = "tackle_kunit";

/// All modules of the project, except the library, its tests and its benchmarks.
pub const CLIENTS: [&str; 11] = [
    "fault_inject",
    "hook_count",
    "hook_latency",
    "livepatch_cmdline",
    "numa_balance",
    "numa_control",
    "numa_stat",
    "qdisc_fifo",
    "sch_rcodel",
    "sch_rfq_codel",
    "tackle_hooks",
];

/// The modules that need only [`LIBRARY`].
pub const QDISCS: [&str; 3] = ["qdisc_fifo", "sch_rcodel", "sch_rfq_codel"];

/// The modules of the rig, the benchmarks and the samples that the suites load, and those of the
/// kernel's tests of live patching.
pub const RIG: &[&str] = &[
    "bench_others",
    "bench_tracee",
    "fault_bench",
    "fault_bench_c",
    "fault_forget",
    "fault_planted",
    "fault_repaired",
    "fault_rig",
    "fault_sample",
    "fault_sample_c",
    "first_hook",
    "hook_all",
    "hook_exclusive",
    "hook_exit",
    "hook_forget",
    "hook_oops",
    "hook_redirect",
    "hook_stress",
    "kprobe_bench",
    "left_behind",
    "livepatch_calls",
    "livepatch_callbacks",
    "livepatch_callbacks2",
    "livepatch_meminfo",
    "livepatch_meter",
    "livepatch_meter_all",
    "livepatch_meter_fix",
    "livepatch_meter_largest",
    "livepatch_module",
    "livepatch_rig_busy",
    "livepatch_state",
    "livepatch_state2",
    "livepatch_state3",
    "livepatch_syscall",
    "livepatch_target",
    "livepatch_twin",
    "numa_bench",
    "numa_forget",
    "numa_home",
    "numa_local",
    "numa_observer",
    "numa_policy_forget",
    "numa_sticky",
    "redirect_busy",
    "rig_busy",
    "rig_mcount",
    "rig_twin_a",
    "rig_twin_b",
    "test_klp_atomic_replace",
    "test_klp_callbacks_busy",
    "test_klp_callbacks_mod",
    "test_klp_kprobe",
    "test_klp_livepatch",
    "test_klp_mod_target",
];

/// The names of all modules that this program has loaded.
static LOADED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// Returns whether this program has loaded a module for whose name `wanted` returns true. The
/// module may have been unloaded since.
pub fn was_loaded(wanted: fn(&str) -> bool) -> bool {
    let names = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    names.iter().any(|name| wanted(name))
}

/// Returns the path of a module: in `/tackle`, or in the folder that `TACKLE_MODULES` names.
pub fn file(name: &str) -> PathBuf {
    let folder = std::env::var("TACKLE_MODULES").unwrap_or_else(|_| "/tackle".into());
    PathBuf::from(folder).join(format!("{name}.ko"))
}

/// A loaded module, which is unloaded when this is dropped.
#[derive(Debug)]
pub struct Loaded {
    name: &'static str,
    unloaded: bool,
}

impl Loaded {
    /// Unloads the module, and waits for users that are about to end.
    ///
    /// # Errors
    ///
    /// The kernel refuses for longer than a few seconds.
    pub fn unload(mut self) -> Result<()> {
        self.unloaded = true;
        rmmod(self.name).with_context(|| format!("cannot unload {}", self.name))
    }
}

impl Loaded {
    /// Leaves the module loaded until the guest ends.
    pub fn leave(mut self) {
        self.unloaded = true;
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if self.unloaded {
            return;
        }
        // An error cannot be returned here. The check after each test finds a module that remains
        // loaded, and this line has the reason.
        match rmmod(self.name) {
            // An adopted module may never have been loaded.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => eprintln!("cannot unload {}: {errno}", self.name),
        }
    }
}

/// Loaded modules, in the order of loading. They are unloaded in the reverse order.
pub struct Stack(Vec<Loaded>);

impl Stack {
    /// Leaves the modules loaded until the guest ends.
    pub fn leave(mut self) {
        self.0.drain(..).for_each(Loaded::leave);
    }
}

impl From<Loaded> for Stack {
    fn from(module: Loaded) -> Self {
        Self(vec![module])
    }
}

impl Stack {
    /// Unloads all modules, the last one first.
    ///
    /// # Errors
    ///
    /// The kernel refuses one of them.
    pub fn unload(mut self) -> Result<()> {
        while let Some(module) = self.0.pop() {
            module.unload()?;
        }
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// Loads one module with parameters such as `tasks=64`.
///
/// # Errors
///
/// The module's file cannot be opened. The kernel's own refusal is the
/// [`Answer`].
pub fn insmod(name: &'static str, parameters: &str) -> Result<Answer<Loaded>> {
    let path = file(name);
    let object = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let parameters = CString::new(parameters)?;
    let answer = finit_module(&object, &parameters, ModuleInitFlags::empty());
    // Note the module also if its init function refused, since its code has run.
    note(name);
    Ok(answer.map(|()| Loaded {
        name,
        unloaded: false,
    }))
}

/// Returns a value for a module that another program of the test loads. If the module is loaded
/// when the value is dropped, it is unloaded.
pub fn adopt(name: &'static str) -> Loaded {
    note(name);
    Loaded {
        name,
        unloaded: false,
    }
}

fn note(name: &'static str) {
    let mut names = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    names.insert(name);
}

/// Loads one module, which must succeed.
///
/// # Errors
///
/// The kernel refuses the module, or its file does not exist.
pub fn load(name: &'static str, parameters: &str) -> Result<Loaded> {
    insmod(name, parameters)?.with_context(|| format!("cannot load {name} {parameters}"))
}

/// Loads those parts of the library that are not loaded yet.
///
/// # Errors
///
/// See [`load`].
pub fn library() -> Result<Stack> {
    stack_of(&[], true)
}

/// Loads the parts of the library that the module needs, unless they are loaded, and then the
/// module.
///
/// # Errors
///
/// See [`load`].
pub fn stack(name: &'static str, parameters: &str) -> Result<Stack> {
    stack_of(&[(name, parameters)], !QDISCS.contains(&name))
}

/// Loads the library and the modules of the CoDel family.
///
/// # Errors
///
/// See [`load`].
pub fn qdiscs() -> Result<Stack> {
    stack_of(&[("sch_rcodel", ""), ("sch_rfq_codel", "")], false)
}

fn stack_of(modules: &[(&'static str, &str)], with_ftrace: bool) -> Result<Stack> {
    let mut stack = Stack(Vec::new());
    let libraries = [Some(LIBRARY), with_ftrace.then_some(FTRACE)];
    for name in libraries.into_iter().flatten() {
        if !is_loaded(name)? {
            stack.0.push(load(name, "")?);
        }
    }
    for (name, parameters) in modules {
        stack.0.push(load(name, parameters)?);
    }
    Ok(stack)
}

/// Checks that the kernel refuses to load a module with this error number.
///
/// # Errors
///
/// The module is loaded, or is refused with another number.
pub fn expect_refusal(name: &'static str, parameters: &str, expected: Errno) -> Result<()> {
    let shown: String = parameters.chars().take(40).collect();
    let what = format!("loading {name} with '{shown}'");
    expect_errno(&what, insmod(name, parameters)?, expected)
}

/// Checks that the kernel refuses to load a module with each of these values of its parameters, and
/// that the module logs one error, which names the parameter.
///
/// # Errors
///
/// The module is loaded, is refused with another number than `EINVAL`, or does not log this error.
pub fn expect_bad_values(name: &'static str, parameters: &[(&str, &[&str])]) -> Result<()> {
    for (parameter, values) in parameters {
        for value in *values {
            let mut log = kmsg::Cursor::now()?;
            expect_refusal(name, &format!("{parameter}={value}"), Errno::EINVAL)?;
            log.expect_one_error(parameter)
                .with_context(|| format!("after {parameter}={value}"))?;
        }
    }
    Ok(())
}

/// Asks the kernel once to unload a module.
pub fn rmmod_once(name: &str) -> Answer {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    delete_module(&name, DeleteModuleFlags::O_NONBLOCK)
}

/// Unloads a module. References, such as those of the live patching core, are dropped a moment
/// after the visible state in sysfs. So this tries for some seconds.
pub fn rmmod(name: &str) -> Answer {
    let start = Instant::now();
    loop {
        // As in wait_for(), try once more after the last pause, even if it took long.
        let late = start.elapsed() >= patience(Duration::from_secs(10));
        match rmmod_once(name) {
            Err(Errno::EAGAIN | Errno::EBUSY) if !late => sleep(Duration::from_millis(100)),
            answer => return answer,
        }
    }
}

/// Returns the reference count of a loaded module.
///
/// # Errors
///
/// The module is not loaded, or the kernel cannot unload modules.
pub fn uses(name: &str) -> Result<u32> {
    debugfs::value(format!("/sys/module/{name}/refcnt"))
}

/// Returns the names of all loaded modules.
///
/// # Errors
///
/// `/proc/modules` cannot be read.
pub fn loaded() -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string("/proc/modules").context("cannot read /proc/modules")?;
    Ok(names(&text))
}

/// Returns the names of the project's modules that are loaded.
///
/// # Errors
///
/// See [`loaded`].
pub fn ours() -> Result<BTreeSet<String>> {
    let mut names = loaded()?;
    let known = |name: &str| {
        [LIBRARY, FTRACE, KUNIT].contains(&name) || CLIENTS.contains(&name) || RIG.contains(&name)
    };
    names.retain(|name| known(name));
    Ok(names)
}

/// Returns the modules in an order in which they can be unloaded.
pub fn users_first(names: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|name| [FTRACE, LIBRARY].iter().position(|library| library == name));
    names
}

/// Returns whether a module is loaded.
///
/// # Errors
///
/// See [`loaded`].
pub fn is_loaded(name: &str) -> Result<bool> {
    Ok(loaded()?.contains(name))
}

fn names(proc_modules: &str) -> BTreeSet<String> {
    let first = |line: &str| line.split_whitespace().next().map(str::to_string);
    proc_modules.lines().filter_map(first).collect()
}

/// A folder with only our modules in the place of the kernel's folder of modules, for `modprobe`.
/// It is removed when this is dropped.
pub struct Installed(String);

impl Installed {
    /// Makes a folder of these modules.
    ///
    /// # Errors
    ///
    /// A module cannot be read, or the folder cannot be mounted.
    pub fn new(modules: &[&str]) -> Result<Self> {
        let release = cmd::run("uname -r")?;
        let (from, to) = (
            "/run/tk-modules",
            format!("/lib/modules/{}", release.trim()),
        );
        std::fs::create_dir_all(from)?;
        for name in modules {
            std::fs::copy(file(name), format!("{from}/{name}.ko"))?;
        }
        // depmod(8) reads these files.
        for list in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            std::fs::write(format!("{from}/{list}"), "")?;
        }
        cmd::run(&format!("mount --bind {from} {to}"))?;
        let installed = Self(to);
        cmd::run("depmod")?;
        Ok(installed)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Err(error) = cmd::run(&format!("umount {}", self.0)) {
            eprintln!("{error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_first_words() {
        let text = "sch_rcodel 16384 1 - Live 0xffffffffc0a2d000 (OE)\n\
                    tackle 40960 1 sch_rcodel, Live 0xffffffffc0a1b000 (OE)\n";
        let expected = ["sch_rcodel", "tackle"].map(String::from);
        assert_eq!(names(text), BTreeSet::from(expected));
    }

    #[test]
    fn the_library_goes_last() {
        let names = ["sch_rcodel", "tackle", "tackle_ftrace", "tackle_hooks"].map(String::from);
        let expected = ["sch_rcodel", "tackle_hooks", FTRACE, LIBRARY];
        assert_eq!(users_first(names.into()), expected);
    }
}
