// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle hook check` on all modules.

use std::fs;
use std::path::PathBuf;

use anyhow::{ensure, Context as _, Result};

use crate::suite::Context;
use crate::sys::{kernel, module, tackle};

/// The module with handlers that do what handlers must not do.
const CARELESS: &str = "hook_careless";

fn check(files: &[PathBuf]) -> Result<crate::sys::cmd::Output> {
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    tackle::output(&format!("hook check {}", files.join(" ")))
}

pub fn no_handler_sleeps_or_allocates(context: &mut Context<'_>) -> Result<()> {
    let careless = module::file(CARELESS);
    let folder = careless.parent().context("a module is in a folder")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ko") && path != careless {
            files.push(path);
        }
    }
    let answer = check(&files)?;
    context.note(answer.out.trim())?;
    ensure!(answer.code == 0, "expected no finding, got {answer:?}");
    Ok(())
}

pub fn careless_handlers_are_found(context: &mut Context<'_>) -> Result<()> {
    let answer = check(&[
        module::file(module::LIBRARY),
        module::file(module::FTRACE),
        module::file(CARELESS),
    ])?;
    ensure!(answer.code == 1, "expected a refusal, got {answer:?}");
    for line in answer.out.lines() {
        context.note(line)?;
    }
    let found = |words: &[&str]| {
        let mut lines = answer.out.lines();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    let mut wanted = vec![
        [
            "hook_careless::Sleeper sleeps: ",
            "hook_careless::count -> ",
        ],
        ["hook_careless::Allocator at the exit allocates: ", "alloc"],
    ];
    // With PREEMPT_RT, a spin lock may sleep.
    if kernel::is_rt() {
        wanted.push(["hook_careless::Spinner sleeps: ", "spin_lock"]);
    }
    for words in &wanted {
        ensure!(found(words), "no line with {words:?}: {}", answer.out);
    }
    let count = answer.out.lines().count();
    ensure!(
        count == wanted.len(),
        "expected {} lines, got {count}: {}",
        wanted.len(),
        answer.out
    );
    ensure!(
        answer.err.starts_with("tackle: ") && answer.err.lines().count() == 1,
        "expected one line of error, got '{}'",
        answer.err
    );
    Ok(())
}

pub fn handlers_need_the_library_to_be_checked(_: &mut Context<'_>) -> Result<()> {
    let answer = check(&[module::file("hook_count")])?;
    ensure!(
        answer.code == 1
            && answer.out.is_empty()
            && answer.err.contains("add tackle.ko and tackle_ftrace.ko"),
        "expected the error that the library is missing, got {answer:?}"
    );
    let answer = check(&[
        module::file("hook_count"),
        module::file(module::LIBRARY),
        module::file(module::FTRACE),
    ])?;
    ensure!(answer.code == 0, "expected no finding, got {answer:?}");
    Ok(())
}

pub fn what_is_no_module_is_refused(_: &mut Context<'_>) -> Result<()> {
    for (file, part) in [
        ("/no/such.ko", "cannot read /no/such.ko"),
        ("/etc/passwd", "/etc/passwd is no module"),
        (tackle::PROGRAM, "/tackle/tackle is no module"),
    ] {
        tackle::expect_refusal(&format!("{} hook check {file}", tackle::PROGRAM), part)?;
    }
    Ok(())
}
