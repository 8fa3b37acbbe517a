// SPDX-License-Identifier: GPL-2.0

//! Reads tracefs and kallsyms: which functions of the kernel are hooked, and which can be hooked.

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{bail, Context, Result};
use regex::{Captures, Regex};

use super::debugfs;

const TRACING: &str = "/sys/kernel/tracing";

/// A function with hooks: a line of `enabled_functions`, which `t_show()` in
/// `kernel/trace/ftrace.c` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enabled {
    /// The line itself, its blanks squeezed and its names demangled.
    pub line: String,
    /// The number of users that hook the function.
    pub users: u32,
    /// The single letters: `R` saves all registers, `I` changes the
    /// instruction pointer, `D` calls directly.
    pub flags: String,
    /// Each dynamic trampoline, and the callback that it calls.
    pub trampolines: Vec<(String, String)>,
}

/// Returns the text with demangled names of Rust functions.
fn demangle(text: &str) -> String {
    static SYMBOL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b_R\w+").expect("a fixed pattern"));
    let name = |found: &Captures<'_>| format!("{:#}", rustc_demangle::demangle(&found[0]));
    SYMBOL.replace_all(text, name).into_owned()
}

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(\S+)(?: \[\S+\])? \((\d+)\)([ A-Z]*)").expect("a fixed pattern")
});
static TRAMPOLINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"tramp: (\S+)[^(]* \(([^)]*)\)").expect("a fixed pattern"));

impl Enabled {
    /// Parses a line. Returns the function's name, too.
    fn parse(line: &str) -> Option<(String, Self)> {
        let parts = LINE.captures(line)?;
        let trampolines = TRAMPOLINE
            .captures_iter(line)
            .map(|found| (found[1].to_string(), demangle(&found[2])))
            .collect();
        let enabled = Self {
            line: demangle(&line.split_whitespace().collect::<Vec<_>>().join(" ")),
            users: parts[2].parse().ok()?,
            flags: parts[3].split_whitespace().collect(),
            trampolines,
        };
        Some((parts[1].to_string(), enabled))
    }
}

/// Returns the line of a function, if it is hooked.
///
/// # Errors
///
/// tracefs cannot be read.
pub fn enabled(function: &str) -> Result<Option<Enabled>> {
    let text = enabled_functions()?;
    let found = text.lines().filter_map(Enabled::parse);
    Ok(found
        .filter(|(name, _)| name == function)
        .map(|(_, enabled)| enabled)
        .next())
}

/// Returns the functions that can be hooked, a line each: the name, and a module's name in
/// brackets.
///
/// # Errors
///
/// tracefs cannot be read.
pub fn traceable() -> Result<String> {
    debugfs::read(Path::new(TRACING).join("available_filter_functions"))
}

fn enabled_functions() -> Result<String> {
    debugfs::read(Path::new(TRACING).join("enabled_functions"))
}

/// Checks that no function calls code of a module at its entry. For a function with several users,
/// tracefs does not name the users.
///
/// # Errors
///
/// A function calls code of the module, or tracefs cannot be read.
pub fn expect_no_callback(module: &str) -> Result<()> {
    let (text, mark) = (enabled_functions()?, format!("[{module}]"));
    match text.lines().find(|line| line.contains(&mark)) {
        None => Ok(()),
        Some(line) => bail!("expected no hook of {module}, got: {}", demangle(line)),
    }
}

/// Returns the line of a function that must be hooked.
///
/// # Errors
///
/// The function is not hooked, or tracefs cannot be read.
pub fn expect_enabled(function: &str) -> Result<Enabled> {
    enabled(function)?.with_context(|| format!("enabled_functions has no line for {function}"))
}

/// Checks that a function is not hooked.
///
/// # Errors
///
/// The function is hooked, or tracefs cannot be read.
pub fn expect_bare(function: &str) -> Result<()> {
    match enabled(function)? {
        None => Ok(()),
        Some(enabled) => bail!("expected no hook on {function}, got: {}", enabled.line),
    }
}

/// A tracer that is enabled for one function until this is dropped.
pub struct Traced {
    /// The text in each line about a call.
    mark: String,
}

impl Traced {
    /// Begins to trace calls of `function` with the function tracer, with an empty trace.
    ///
    /// # Errors
    ///
    /// tracefs refuses.
    pub fn new(function: &str) -> Result<Self> {
        Self::with("function", function, format!(": {function} "))
    }

    /// Does what [`new`](Self::new) does with the function graph tracer.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn graph(function: &str) -> Result<Self> {
        Self::with("function_graph", function, format!(" {function}()"))
    }

    fn with(tracer: &str, function: &str, mark: String) -> Result<Self> {
        let tracing = Path::new(TRACING);
        debugfs::set(tracing.join("set_ftrace_filter"), function)?;
        let traced = Self { mark };
        debugfs::set(tracing.join("current_tracer"), tracer)?;
        debugfs::set(tracing.join("trace"), "\n")?;
        Ok(traced)
    }

    /// Returns how many calls are in the trace.
    ///
    /// # Errors
    ///
    /// tracefs cannot be read.
    pub fn calls(&self) -> Result<u64> {
        let text = debugfs::read(Path::new(TRACING).join("trace"))?;
        let is_call = |line: &&str| !line.starts_with('#') && line.contains(&self.mark);
        Ok(text.lines().filter(is_call).count() as u64)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let tracing = Path::new(TRACING);
        for (file, text) in [("current_tracer", "nop"), ("set_ftrace_filter", "\n")] {
            if let Err(error) = debugfs::set(tracing.join(file), text) {
                eprintln!("cannot end tracing: {error:#}");
            }
        }
    }
}

/// Returns a function of the kernel proper that has a symbol and that ftrace does not
/// know, so it cannot be hooked.
///
/// # Errors
///
/// None of the candidates is such a function on this kernel.
pub fn untraceable() -> Result<&'static str> {
    // The candidates are functions that run before a tracer can run.
    let candidates = [
        "do_syscall_64",
        "asm_exc_page_fault",
        "exc_page_fault",
        "exc_int3",
        "entry_SYSCALL_64",
        "ftrace_caller",
    ];
    let symbols = functions(&debugfs::read("/proc/kallsyms")?);
    let known = traceable()?;
    let known: HashSet<&str> = known.split_whitespace().collect();
    candidates
        .into_iter()
        .find(|name| symbols.contains(*name) && !known.contains(name))
        .context("every candidate can be traced here, or has no symbol")
}

/// Returns the names of code symbols outside modules.
fn functions(kallsyms: &str) -> HashSet<String> {
    let name = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [_, "t" | "T", name] => Some(name.to_string()),
            _ => None,
        }
    };
    kallsyms.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_trampoline() {
        let line = "cmdline_proc_show (1)           \ttramp: 0xffffffffc0404000 \
                    (entry+0x0/0x20 [tackle_ftrace]) ->entry+0x0/0x20 [tackle_ftrace]";
        let (name, enabled) = Enabled::parse(line).unwrap();
        assert_eq!(name, "cmdline_proc_show");
        assert_eq!(enabled.users, 1);
        assert_eq!(enabled.flags, "");
        assert_eq!(
            enabled.trampolines,
            [(
                "0xffffffffc0404000".to_string(),
                "entry+0x0/0x20 [tackle_ftrace]".to_string()
            )]
        );
    }

    #[test]
    fn rust_names_are_demangled() {
        let line = "f (1) \ttramp: 0xff (_RNvMs1_NtCs6xGpwhssdJT_6tackle6ftraceINtB5_12\
                    RegistrationNtCs62GnPHaVcjR_10hook_count7CounterE8callbackBV_+0x0/0x20 [hook_count])";
        let (_, enabled) = Enabled::parse(line).unwrap();
        assert_eq!(
            enabled.trampolines[0].1,
            "<tackle::ftrace::Registration<hook_count::Counter>>::callback+0x0/0x20 [hook_count]"
        );
    }

    #[test]
    fn a_trampoline_may_have_a_symbol_of_its_own() {
        let line = "f [mod] (1) R I    \ttramp: ftrace_trampoline+0x0/0x1 [b] (g+0x0/0x2)";
        let (name, enabled) = Enabled::parse(line).unwrap();
        assert_eq!(name, "f");
        assert_eq!(enabled.flags, "RI");
        assert_eq!(enabled.trampolines[0].1, "g+0x0/0x2");
    }

    #[test]
    fn two_users_share_the_list_function() {
        let line = "schedule (2)           \t->arch_ftrace_ops_list_func+0x0/0x250";
        let (_, enabled) = Enabled::parse(line).unwrap();
        assert_eq!(enabled.users, 2);
        assert!(enabled.trampolines.is_empty());
    }

    #[test]
    fn only_code_outside_modules_is_a_function() {
        let text = "ffff t a\nffff T b\nffff D data\nffff t c [mod]\n";
        assert_eq!(
            functions(text),
            HashSet::from(["a".to_string(), "b".to_string()])
        );
    }
}
