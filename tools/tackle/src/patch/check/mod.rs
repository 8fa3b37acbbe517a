// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle patch check`: checks whether the kernel would accept a live patch, without
//! loading it.

mod layout;
mod module;
mod users;

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde::Serialize;

use super::modules::Source;
use super::tasks::{self, Task};
use super::Patches;
use crate::hook::symbols::Symbols;
use crate::roots::Roots;
use layout::Replaced;
use module::Module;
use users::Users;

/// The result of checking a live patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The name of the patch's module.
    pub name: String,
    /// Reasons why the kernel would refuse the module, apart from single functions.
    pub problems: Vec<String>,
    /// The functions that it replaces.
    pub functions: Vec<Function>,
}

/// The result of checking a function that a live patch replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Function {
    /// The module of the function; [`None`] for the kernel image.
    pub module: Option<String>,
    /// The function's name.
    pub name: String,
    /// The position among several symbols of this name, from 1; 0 if the name must be unique.
    pub position: u64,
    /// Why the function cannot be patched, if it cannot.
    pub problem: Option<String>,
    /// A remark that is no problem.
    pub note: Option<String>,
    /// The users of the function: live patches, hooks, tracers, BPF programs, kprobes.
    pub users: Vec<String>,
    /// The tasks that execute the function now. The transition waits for them.
    pub tasks: Vec<String>,
}

impl Report {
    /// Returns the number of reasons why the kernel would refuse the patch.
    pub fn problems(&self) -> usize {
        let of_functions = self.functions.iter().filter(|one| one.problem.is_some());
        self.problems.len() + of_functions.count()
    }
}

/// Checks the live patch in `source` against the kernel at `roots`.
///
/// # Errors
/// Returns an error if the file cannot be read or is no live patch, or if the kernel's files
/// cannot be read.
pub fn check(roots: &Roots, source: &Source) -> Result<Report> {
    let module = Module::read(source)?;
    let symbols = Symbols::read(roots)?;
    let users = Users::read(roots, symbols.shows_addresses())?;
    let patches = Patches::new(roots)?;
    let tasks = tasks::all(roots).context("cannot read the stacks of tasks")?;
    let functions = module
        .functions
        .iter()
        .map(|replaced| function(roots, &symbols, &users, &tasks, replaced))
        .collect();
    let mut problems = module.problems(roots, &symbols)?;
    if roots.module(&module.name).exists() {
        problems.push("a module of this name is loaded: disable and unload that first".into());
    }
    if let Some(other) = patches.in_transition()? {
        problems.push(format!("the live patch {} is in transition", other.name));
    }
    Ok(Report {
        name: module.name,
        problems,
        functions,
    })
}

fn function(
    roots: &Roots,
    symbols: &Symbols,
    users: &Users,
    tasks: &[Task],
    replaced: &Replaced,
) -> Function {
    let Replaced {
        module,
        name,
        position,
    } = replaced.clone();
    let mut function = Function {
        users: users.of(module.as_deref(), &name),
        name,
        module,
        position,
        ..Function::default()
    };
    if let Some(module) = &function.module {
        if !roots.module(module).exists() {
            function.note = Some(format!("{module} is not loaded: it is patched when it is"));
            return function;
        }
    }
    function.problem = problem(symbols, users, &function);
    let tasks = tasks.iter();
    function.tasks = tasks
        .filter(|task| task.is_executing(&function.name))
        .map(ToString::to_string)
        .collect();
    function
}

/// Returns why the kernel would refuse to patch a function, if it would.
fn problem(symbols: &Symbols, users: &Users, function: &Function) -> Option<String> {
    let Function {
        module,
        name,
        position,
        ..
    } = function;
    let addresses = symbols.addresses(module.as_deref(), name);
    let found = addresses.len();
    let address = match (found, *position) {
        (0, _) => {
            let clones = symbols.find(&function.full_name()).clones;
            return Some(match clones.is_empty() {
                true => "there is no such function: it may be inlined".into(),
                false => format!("there is no such function, but {}", clones.join(", ")),
            });
        }
        (1, 0 | 1) => addresses[0],
        (_, 0) => return Some(format!("there are {found} of this name: give a position")),
        (_, position) => {
            let index = usize::try_from(position - 1).ok();
            match index.and_then(|index| addresses.get(index)) {
                Some(address) => *address,
                None => return Some(format!("there are {found} of this name, not {position}")),
            }
        }
    };
    if !users.is_traceable(address, name) {
        return Some("it cannot be traced: it is notrace, or has no room at its entry".into());
    }
    users.redirected(module.as_deref(), name)
}

impl Function {
    /// Returns `MODULE:NAME`, or `NAME` for a function of the kernel image.
    fn full_name(&self) -> String {
        match &self.module {
            Some(module) => format!("{module}:{}", self.name),
            None => self.name.clone(),
        }
    }

    fn show(&self) -> String {
        let mut text = self.full_name();
        if self.position > 0 {
            let _ = write!(text, ",{}", self.position);
        }
        match (&self.problem, &self.note) {
            (Some(problem), _) => text.push_str(&format!(": {problem}")),
            (None, Some(note)) => text.push_str(&format!(": {note}")),
            (None, None) => text.push_str(": can be patched"),
        }
        for (what, list) in [("used by", &self.users), ("executed by", &self.tasks)] {
            if !list.is_empty() {
                text.push_str(&format!("\n  {what} {}", list.join(", ")));
            }
        }
        text
    }
}

/// Returns the report as text.
pub fn show(report: &Report) -> String {
    let problems = report.problems.iter().cloned();
    let functions = report.functions.iter().map(Function::show);
    problems.chain(functions).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KALLSYMS: &str = "\
ffffffff81000000 T plain
ffffffff81000100 t twice
ffffffff81000200 t twice
ffffffff81000300 T no_room
ffffffff81000308 T also_data
ffffffff81000500 D also_data
ffffffff81000400 t cloned.isra.0
ffffffffc0000000 t inner\t[mod]
";
    const TRACEABLE: &str = "\
ffffffff81000004 plain
ffffffff81000104 twice
ffffffff81000404 cloned.isra.0
ffffffffc0000004 inner [mod]
";

    /// Creates a fake kernel in a folder, with a task that executes `plain()`.
    fn kernel() -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        let put = |path: std::path::PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        fs::create_dir_all(roots.livepatch()).unwrap();
        put(roots.proc.join("kallsyms"), KALLSYMS);
        put(roots.proc.join("sys/kernel/osrelease"), "7.3.4\n");
        let tracing = roots.sys.join("kernel/tracing");
        put(tracing.join("available_filter_functions_addrs"), TRACEABLE);
        put(
            tracing.join("enabled_functions"),
            "plain (1) R   D   M \ttramp: x (y)\ninner [mod] (1) R I     tramp: x (y)\n",
        );
        put(roots.module("mod").join("initstate"), "live\n");
        let task = roots.proc.join("7/task/7");
        put(
            task.join("stack"),
            "[<0>] schedule+0x1/0x2\n[<0>] plain+0x1/0x2\n",
        );
        let zeros = "0 ".repeat(43);
        put(
            task.join("stat"),
            &format!("7 (cat) S 1 7 7 0 -1 0 {zeros}\n"),
        );
        (dir, roots)
    }

    fn report(module: Option<&str>, name: &str, position: u64, vermagic: &str) -> Report {
        let (dir, roots) = kernel();
        let modinfo = format!("name=mine livepatch=Y vermagic={vermagic}");
        let data = layout::tests::patch(&[(module, &[(name, position)])], &modinfo);
        let file = dir.path().join("mine.ko");
        fs::write(&file, data).unwrap();
        check(&roots, &Source::File(file)).unwrap()
    }

    fn problem_of(module: Option<&str>, name: &str, position: u64) -> Option<String> {
        report(module, name, position, "7.3.4").functions[0]
            .problem
            .clone()
    }

    #[test]
    fn a_function_that_can_be_patched() {
        let report = report(None, "plain", 0, "7.3.4");
        assert_eq!(report.problems(), 0);
        assert_eq!(
            show(&report),
            "plain: can be patched\n  used by a direct call (BPF or an exit hook)\n  \
             executed by cat (7)"
        );
    }

    #[test]
    fn functions_that_cannot() {
        for (name, position, expected) in [
            ("gone", 0, "there is no such function: it may be inlined"),
            ("cloned", 0, "there is no such function, but cloned.isra.0"),
            ("twice", 0, "there are 2 of this name: give a position"),
            ("twice", 3, "there are 2 of this name, not 3"),
            ("also_data", 0, "there are 2 of this name: give a position"),
            ("twice", 2, "it cannot be traced: it is notrace,"),
            ("no_room", 1, "it cannot be traced: it is notrace,"),
        ] {
            let problem = problem_of(None, name, position).unwrap();
            assert!(problem.starts_with(expected), "{name}: {problem}");
        }
        assert_eq!(problem_of(None, "twice", 1), None);
        let problem = problem_of(Some("mod"), "inner", 0).unwrap();
        assert!(
            problem.starts_with("another user redirects it"),
            "{problem}"
        );
        assert!(problem_of(Some("mod"), "plain", 0).is_some());
    }

    #[test]
    fn a_kernel_may_hide_its_addresses() {
        let (_dir, roots) = kernel();
        let zeros = KALLSYMS
            .lines()
            .map(|line| format!("{:016} {}\n", 0, &line[17..]));
        fs::write(roots.proc.join("kallsyms"), zeros.collect::<String>()).unwrap();
        let tracing = roots.sys.join("kernel/tracing");
        fs::write(tracing.join("available_filter_functions"), "plain\n").unwrap();
        let symbols = Symbols::read(&roots).unwrap();
        assert!(!symbols.shows_addresses());
        let users = Users::read(&roots, symbols.shows_addresses()).unwrap();
        assert!(users.is_traceable(0, "plain") && !users.is_traceable(0, "no_room"));
        fs::remove_file(tracing.join("available_filter_functions")).unwrap();
        let error = Users::read(&roots, false).err().unwrap().to_string();
        assert!(error.starts_with("tracefs is not mounted"), "{error}");
    }

    #[test]
    fn a_module_may_come_later() {
        let report = report(Some("later"), "inner", 0, "7.3.4");
        assert_eq!(report.problems(), 0);
        assert_eq!(
            show(&report),
            "later:inner: later is not loaded: it is patched when it is"
        );
    }

    #[test]
    fn a_patch_for_another_kernel_is_named() {
        let report = report(None, "plain", 0, "7.3.5");
        assert_eq!(
            report.problems,
            ["it is built for 7.3.5, and this is 7.3.4"]
        );
        assert_eq!(report.problems(), 1);
    }
}
