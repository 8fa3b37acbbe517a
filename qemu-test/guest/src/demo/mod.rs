// SPDX-License-Identifier: GPL-2.0

//! Shows the five systems at work, with figures measured on the spot.

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

/// The lines of a section, collected so that sections can run side by side.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
}

impl Page {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

/// One section: a heading and what fills the page below it.
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
    /// Fills a page; tells whether everything worked.
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

/// Runs all sections and writes them to the report channel; tells whether all
/// five worked.
///
/// # Errors
///
/// The channel cannot be written.
pub fn run() -> Result<bool> {
    let mut out = channel()?;
    // Held throughout, so that sections side by side need not share it out.
    // Without it each section says what it could not load.
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
    // Both mostly wait, each on a processor of its own.
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
