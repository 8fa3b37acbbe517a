// SPDX-License-Identifier: GPL-2.0

//! Demonstrates the five systems, with figures that are measured during the demonstration.

mod fault;
mod hooks;
mod livepatch;
mod numa;
mod rcodel;

use std::io::Write;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::thread;

use anyhow::{Context, Result};

use crate::ktap::channel;
use crate::suite::panic_text;
use crate::sys::module;

/// The lines of a section. They are collected, so that sections can run in parallel.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
}

impl Page {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

/// A section: a heading and the function that writes the page.
struct Section {
    title: &'static str,
    show: fn(&mut Page) -> Result<()>,
}

const HOOKS: Section = Section {
    title: "1. Hooks: Rust code at the entry of a kernel function",
    show: hooks::show,
};
const LIVEPATCH: Section = Section {
    title: "2. Live patching: a kernel function replaced by one in Rust",
    show: livepatch::show,
};
const NUMA: Section = Section {
    title: "3. NUMA: the faults behind automatic balancing, task by task",
    show: numa::show,
};
const RCODEL: Section = Section {
    title: "4. rcodel: a slow line whose queue stays short",
    show: rcodel::show,
};
const FAULT: Section = Section {
    title: "5. Fault injection: every error path, one at a time",
    show: fault::show,
};

impl Section {
    /// Writes a page. Returns whether there were no errors.
    fn run(&self) -> (Page, bool) {
        let mut page = Page::default();
        page.say(format!("== {} ==", self.title));
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.show)(&mut page)));
        let trouble = match outcome {
            Ok(Ok(())) => return (page, true),
            Ok(Err(error)) => format!("{error:#}"),
            Err(panic) => panic_text(&*panic).to_string(),
        };
        page.say(format!("   this did not work: {trouble}"));
        (page, false)
    }
}

/// Runs all sections and writes them to the report channel. Returns whether all five succeeded.
///
/// # Errors
///
/// The channel cannot be written.
pub fn run() -> Result<bool> {
    let mut out = channel()?;
    // The library stays loaded, so that parallel sections need not agree on when to unload it. If
    // it cannot be loaded, each section reports which module it could not load.
    let library = module::library().inspect_err(|error| eprintln!("{error:#}"));
    let mut shown = 0;
    let mut print = |(page, good): (Page, bool)| -> Result<()> {
        shown += usize::from(good);
        let text = page.lines.join("\n");
        writeln!(out, "{text}\n")
            .and_then(|()| out.flush())
            .context("cannot write the report")
    };
    print(HOOKS.run())?;
    print(LIVEPATCH.run())?;
    // Both sections mostly wait. Each uses a processor of its own.
    let (numa, rcodel) = thread::scope(|scope| {
        let numa = scope.spawn(|| NUMA.run());
        let rcodel = RCODEL.run();
        (numa.join().expect("a section catches its panics"), rcodel)
    });
    print(numa)?;
    print(rcodel)?;
    print(FAULT.run())?;
    drop(library);
    writeln!(out, "demo: {shown} of 5 shown").context("cannot write the report")?;
    Ok(shown == 5)
}
