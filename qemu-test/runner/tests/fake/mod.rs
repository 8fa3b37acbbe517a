// SPDX-License-Identifier: GPL-2.0

//! Implements a fake QEMU: a shell script. It finds the files of the two serial lines in QEMU's
//! arguments. It has these functions: `log` writes a line of the kernel log, `print` writes a line
//! of a program to the console, and `say` writes a line to ttyS1.

#![allow(dead_code, reason = "each test program uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tackle_qemu::accel::Accel;
use tackle_qemu::boot::Booter;
use tackle_qemu::follow::Limits;
use tackle_qemu::interrupt::Interrupt;
use tackle_qemu::kernel::Kernel;
use tackle_qemu::qemu::PROGRAM;
use tackle_qemu::report::TestResult;
use tackle_qemu::suite::Guest;
use tackle_qemu::template::Templates;
use tackle_qemu::ui::Ui;
use tempfile::TempDir;

const HEAD: &str = r#"#!/bin/sh
for arg; do
    case $arg in
    --version) echo 'QEMU emulator version 0 (fake)'; exit 0 ;;
    file,id=console,path=*) console=${arg#*,path=} console=${console%%,append=*} ;;
    file,id=second,path=*) second=${arg#*,path=} second=${second%%,append=*} ;;
    *tackle.run=*) words=${arg##*tackle.run=} words=${words%% *} ;;
    kvm) accel=kvm ;;
    tcg,*) accel=tcg ;;
    esac
done
dir=$(dirname "$0")
log() { printf '[   12.345678] %s\r\n' "$1" >>"$console"; }
print() { printf '%s\r\n' "$1" >>"$console"; }
say() { printf '%s\n' "$1" >>"$second"; }
"#;

/// Writes the program by another process. If this process opened the file for writing, the child of
/// another test could inherit the file descriptor. A file that is open for writing cannot be
/// executed.
pub fn install(dir: &Path, script: &str) {
    let text = dir.join("script");
    fs::write(&text, script).unwrap();
    let status = Command::new("install")
        .args(["-m", "755"])
        .arg(&text)
        .arg(dir.join(PROGRAM))
        .status();
    assert!(status.unwrap().success());
}

/// A fake QEMU and everything that it needs.
pub struct Fake {
    dir: TempDir,
    limits: Limits,
    pub interrupt: Interrupt,
    templates: Option<Templates>,
}

impl Fake {
    /// Returns a guest that runs the shell script `body`.
    pub fn new(body: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), &format!("{HEAD}{body}\n"));
        let kernel = dir.path().join("kernel");
        fs::create_dir_all(kernel.join("payload")).unwrap();
        for file in [
            "vmlinuz",
            "initramfs.img",
            "root.img",
            "modules.img",
            "payload.img",
            "config",
        ] {
            fs::write(kernel.join(file), "").unwrap();
        }
        let silence = Duration::from_secs(60);
        let total = Duration::from_secs(120);
        let limits = Limits {
            silence,
            silence_in_test: silence,
            total,
        };
        Self {
            dir,
            limits,
            interrupt: Interrupt::new(),
            templates: None,
        }
    }

    pub fn silence(mut self, limit: Duration) -> Self {
        self.limits.silence = limit;
        self.limits.silence_in_test = limit;
        self
    }

    /// Writes the config of the kernel.
    pub fn config(self, text: &str) -> Self {
        fs::write(self.dir().join("kernel/config"), text).unwrap();
        self
    }

    /// Gives the runner a folder for templates. The fake QEMU cannot be saved, so no template is
    /// made.
    pub fn templates(mut self) -> Self {
        self.templates = Some(Templates::new(self.template_dir(), Ui::new()));
        self
    }

    /// Returns the folder of the templates.
    pub fn template_dir(&self) -> PathBuf {
        self.dir().join("templates")
    }

    pub fn total(mut self, limit: Duration) -> Self {
        self.limits.total = limit;
        self
    }

    /// Returns the folder of the program.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn program(&self) -> PathBuf {
        self.dir().join(PROGRAM)
    }

    pub fn kernel(&self) -> Kernel {
        Kernel {
            name: "fake".to_owned(),
            dir: self.dir().join("kernel"),
        }
    }

    pub fn booter(&self) -> Booter<'_> {
        Booter {
            qemu: self.program(),
            accel: Accel::Tcg,
            limits: self.limits,
            rounds: None,
            templates: self.templates.as_ref(),
            interrupt: &self.interrupt,
        }
    }

    /// Boots the guest for the suite `hooks`. Checks that the results were passed to `tell` as they
    /// are returned.
    pub fn run(&self) -> Result<Vec<TestResult>> {
        let mut told = Vec::new();
        let mut tell = |result: &TestResult| told.push(result.clone());
        let (suite, logs) = (Guest::new("hooks"), self.dir().join("logs"));
        let results = self
            .booter()
            .suite(&self.kernel(), suite, &logs, &mut tell)?;
        assert_eq!(told, results);
        Ok(results)
    }

    pub fn suite(&self) -> Vec<TestResult> {
        self.run().unwrap()
    }
}
