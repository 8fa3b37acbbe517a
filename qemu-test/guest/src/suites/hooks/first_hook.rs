// SPDX-License-Identifier: GPL-2.0

//! Tests the page `Documentation/first-hook.rst`: runs its commands and compares their output.

use anyhow::{ensure, Context as _, Result};
use regex::Regex;

use crate::suite::Context;
use crate::sys::{cmd, ftrace, module};

const PAGE: &str = include_str!("../../../../../Documentation/first-hook.rst");
const SAMPLE: &str = include_str!("../../../../../samples/first_hook.rs");
const KBUILD: &str = include_str!("../../../../../Kbuild");

/// Returns the literal blocks of the page, without their indentation.
fn blocks() -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if !line.ends_with("::") {
            continue;
        }
        let indented = lines
            .by_ref()
            .take_while(|line| line.is_empty() || line.starts_with("  "));
        let block: Vec<&str> = indented.map(|line| line.get(2..).unwrap_or("")).collect();
        blocks.push(block.join("\n").trim().to_owned());
    }
    blocks
}

/// Returns a pattern for the output of a command, in which each number stands for any number.
fn pattern(expected: &str) -> Result<Regex> {
    let number = Regex::new("[0-9]+")?;
    let words: Vec<_> = expected
        .split_whitespace()
        .map(|word| {
            let parts: Vec<_> = number.split(word).map(regex::escape).collect();
            parts.join("[0-9]+")
        })
        .collect();
    Ok(Regex::new(&format!(r"^\s*{}\s*$", words.join(r"\s+")))?)
}

/// A command of the page, and its expected output.
struct Step {
    command: String,
    output: String,
}

fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks().iter().filter(|block| block.starts_with("# ")) {
        for line in block.lines() {
            match (line.strip_prefix("# "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    command: command.to_owned(),
                    output: String::new(),
                }),
                (None, Some(step)) => step.output.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
    }
    steps
}

pub fn the_page_about_a_first_hook_is_right(context: &mut Context<'_>) -> Result<()> {
    const MARK: &str = "--- next ---";
    let blocks = blocks();
    let file = blocks.iter().find(|block| block.starts_with("// SPDX"));
    let file = file.context("the page has no file")?;
    ensure!(
        file == SAMPLE.trim(),
        "the file of the page is not the sample"
    );
    let line = blocks
        .iter()
        .find(|block| block.starts_with("tackle-modules"));
    let line = line.context("the page has no line for Kbuild")?;
    ensure!(
        KBUILD.lines().any(|other| other == line),
        "Kbuild lacks '{line}'"
    );
    ensure!(
        blocks.iter().any(|block| block == "$ make shell"),
        "the page does not say how to boot"
    );

    // All commands run in one shell, as for a reader of the page.
    let steps = steps();
    let library = module::adopt(module::LIBRARY);
    let ftrace = module::adopt(module::FTRACE);
    let hook = module::adopt("first_hook");
    let mut script = "exec 2>&1\n".to_owned();
    for step in &steps {
        script.push_str(&step.command);
        script.push_str(&format!("\necho '{MARK}'\n"));
    }
    let output = cmd::feed("bash", &script)?;
    context.note(&output)?;
    let outputs: Vec<&str> = output.split(&format!("{MARK}\n")).collect();
    ensure!(
        outputs.len() == steps.len() + 1 && steps.len() > 8,
        "{} commands, {} outputs",
        steps.len(),
        outputs.len()
    );
    for (step, output) in steps.iter().zip(outputs) {
        ensure!(
            pattern(&step.output)?.is_match(output),
            "`{}`: the page has '{}', got '{output}'",
            step.command,
            step.output
        );
    }
    // The commands of the page have unloaded the modules.
    ensure!(!module::is_loaded("first_hook")?, "first_hook is loaded");
    for name in [module::FTRACE, module::LIBRARY] {
        ensure!(!module::is_loaded(name)?, "{name} is loaded");
    }
    drop((hook, ftrace, library));
    ftrace::expect_bare("vfs_write")
}
