// SPDX-License-Identifier: GPL-2.0

//! Tests the fault attributes of modules outside the library: the samples in Rust and in C, and a C
//! module that does not unregister its attribute.

use anyhow::{ensure, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::{debugfs, expect_errno, kmsg, module};

/// A sample module with an attribute.
struct Sample {
    module: module::Stack,
    /// The directory of its attribute.
    attribute: &'static str,
    run: &'static str,
}

const SAMPLES: [(&str, &str, &str); 2] = [
    (
        "fault_sample",
        "fail_sample",
        "/sys/kernel/debug/tackle/fault_sample/run",
    ),
    (
        "fault_sample_c",
        "fail_sample_c",
        "/sys/kernel/debug/fault_sample_c",
    ),
];

impl Sample {
    fn load((name, attribute, run): (&'static str, &'static str, &'static str)) -> Result<Self> {
        Ok(Self {
            module: module::stack(name, "")?,
            attribute,
            run,
        })
    }

    fn set(&self, file: &str, text: &str) -> Result<()> {
        debugfs::set(debugfs::tackle(&format!("{}/{file}", self.attribute)), text)
    }

    fn read(&self, file: &str) -> Result<String> {
        debugfs::read(debugfs::tackle(&format!("{}/{file}", self.attribute)))
    }

    /// Runs the sample `count` times, and returns the numbers of the runs that fail with `errno`.
    fn failures(&self, count: u32, errno: Errno) -> Result<Vec<u32>> {
        let mut failed = Vec::new();
        for number in 1..=count {
            match debugfs::write(self.run, "add")? {
                Ok(()) => {}
                Err(error) if error == errno => failed.push(number),
                Err(error) => anyhow::bail!("{}: run {number}: {error}", self.run),
            }
        }
        Ok(failed)
    }

    fn expect(&self, what: &str, count: u32, errno: Errno, expected: &[u32]) -> Result<()> {
        let failed = self.failures(count, errno)?;
        ensure!(
            failed == expected,
            "{}: {what}: expected the runs {expected:?} to fail, got {failed:?}",
            self.attribute
        );
        Ok(())
    }
}

fn for_each_sample(test: impl Fn(&Sample) -> Result<()>) -> Result<()> {
    for names in SAMPLES {
        let sample = Sample::load(names)?;
        sample.set("verbose", "0")?;
        test(&sample)?;
        sample.module.unload()?;
    }
    Ok(())
}

pub fn samples_fail_in_both_languages(_: &mut Context<'_>) -> Result<()> {
    for_each_sample(|sample| {
        sample.expect("not armed", 3, Errno::ENOMEM, &[])?;
        let points = sample.read("points")?;
        let expected = "entry_alloc ENOMEM 0 0\nentry_add EEXIST 0 0";
        ensure!(points == expected, "expected {expected:?}, got {points:?}");
        sample.set("times", "1")?;
        sample.set("probability", "100")?;
        sample.expect("times=1", 3, Errno::ENOMEM, &[1])?;
        let points = sample.read("points")?;
        let expected = "entry_alloc ENOMEM 3 1\nentry_add EEXIST 2 0";
        ensure!(points == expected, "expected {expected:?}, got {points:?}");
        sample.set("space", "2")?;
        sample.set("times", "1")?;
        sample.expect("space=2", 3, Errno::EEXIST, &[1])?;
        sample.set("probability", "0")?;
        sample.set("times", "-1")?;
        sample.expect("probability=0", 3, Errno::ENOMEM, &[])
    })
}

pub fn fail_nth_is_about_one_task(_: &mut Context<'_>) -> Result<()> {
    for_each_sample(|sample| {
        sample.set("fail-nth", "4")?;
        let left = sample.read("fail-nth")?;
        ensure!(left == "4", "fail-nth has {left:?}");
        // Each run passes two points.
        sample.expect("fail-nth=4", 3, Errno::EEXIST, &[2])?;
        let left = sample.read("fail-nth")?;
        ensure!(left == "0", "fail-nth has {left:?}");
        sample.set("fail-nth", "1")?;
        let run = sample.run;
        let other = std::thread::spawn(move || debugfs::write(run, "add"));
        let answer = other.join().map_err(|_| anyhow::anyhow!("a panic"))??;
        ensure!(answer == Ok(()), "another task got {answer:?}");
        sample.expect("fail-nth=1", 2, Errno::ENOMEM, &[1])?;
        let file = debugfs::tackle(&format!("{}/fail-nth", sample.attribute));
        for text in ["-1", "x", "2147483648"] {
            expect_errno(text, debugfs::write(&file, text)?, Errno::EINVAL)?;
        }
        Ok(())
    })
}

pub fn marked_tasks_and_their_children_fail(_: &mut Context<'_>) -> Result<()> {
    for_each_sample(|sample| {
        sample.set("task-filter", "Y")?;
        sample.set("times", "-1")?;
        sample.set("probability", "100")?;
        sample.expect("not marked", 2, Errno::ENOMEM, &[])?;
        sample.set("make-it-fail", "1")?;
        sample.expect("marked", 2, Errno::ENOMEM, &[1, 2])?;
        let child = std::process::Command::new("sh")
            .args(["-c", &format!("echo add > {}", sample.run)])
            .status()?;
        ensure!(!child.success(), "a child of a marked task does not fail");
        sample.set("make-it-fail", "0")?;
        sample.expect("not marked again", 2, Errno::ENOMEM, &[])
    })
}

pub fn ranges_of_the_stack_are_compared(_: &mut Context<'_>) -> Result<()> {
    for_each_sample(|sample| {
        sample.set("times", "-1")?;
        sample.set("probability", "100")?;
        let defaults = ["require-start", "require-end", "reject-start", "reject-end"];
        let defaults: Result<Vec<_>> = defaults.iter().map(|file| sample.read(file)).collect();
        let defaults = defaults?;
        ensure!(
            defaults[0] == "0x0000000000000000" && defaults[1] == "0xffffffffffffffff",
            "{defaults:?}"
        );
        // There is no code in this range.
        sample.set("require-start", "1")?;
        sample.set("require-end", "2")?;
        sample.expect("an empty range", 2, Errno::ENOMEM, &[])?;
        // All code of the kernel is in this range.
        sample.set("require-start", "0xffffffff80000000")?;
        sample.set("require-end", "0xffffffffffffffff")?;
        sample.expect("the kernel", 2, Errno::ENOMEM, &[1, 2])?;
        sample.set("reject-start", "0xffffffff80000000")?;
        sample.set("reject-end", "0xffffffffffffffff")?;
        sample.expect("rejected", 2, Errno::ENOMEM, &[])?;
        sample.set("reject-end", "0")?;
        sample.set("stacktrace-depth", "0")?;
        sample.expect("no depth", 2, Errno::ENOMEM, &[])?;
        sample.set("stacktrace-depth", "1000")?;
        let depth = sample.read("stacktrace-depth")?;
        ensure!(depth == "32", "stacktrace-depth has {depth:?}");
        Ok(())
    })
}

pub fn points_are_selected_by_name(_: &mut Context<'_>) -> Result<()> {
    for_each_sample(|sample| {
        sample.set("times", "-1")?;
        sample.set("select", "entry_add")?;
        sample.set("probability", "100")?;
        sample.expect("entry_add", 2, Errno::EEXIST, &[1, 2])?;
        let selected = sample.read("select")?;
        ensure!(selected == "entry_add", "select has {selected:?}");
        sample.set("select", "\n")?;
        sample.expect("all", 2, Errno::ENOMEM, &[1, 2])?;
        let file = debugfs::tackle(&format!("{}/select", sample.attribute));
        expect_errno(
            "select",
            debugfs::write(&file, "entry_add no_point")?,
            Errno::EINVAL,
        )?;
        ensure!(
            sample.read("select")?.is_empty(),
            "a refused line has selected points"
        );
        Ok(())
    })
}

/// An attribute of a C module that was armed when the module was unloaded.
pub fn an_attribute_that_is_forgotten_is_removed(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    for _ in 0..2 {
        let mut log = kmsg::Cursor::now()?;
        let forgetful = module::load("fault_forget", "")?;
        let directory = debugfs::tackle("fail_forget");
        debugfs::set(directory.join("probability"), "100")?;
        forgetful.unload()?;
        ensure!(!directory.exists(), "{} is left", directory.display());
        kmsg::expect(
            &log.read()?,
            "fault_forget has gone without its 1 registrations",
        )?;
    }
    library.unload()
}
