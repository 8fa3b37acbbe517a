// SPDX-License-Identifier: GPL-2.0

//! User Mode Linux: a guest that is a process of the host, without a machine. What it
//! computes takes as long as it takes on the host.

use anyhow::Result;

use crate::qemu::{text, Console, Files, Machine};

/// The program that starts it: a shell, to open the descriptor of the second serial line.
pub const PROGRAM: &str = "sh";

/// What the shell does with the line's file and the kernel's command line.
const SCRIPT: &str = r#"second=$1; shift; exec "$@" 3>>"$second""#;

/// Guest memory, in MiB. Modules come after it, and must lie below 2 GiB, where relocations
/// of 32 bits reach.
const MEMORY: u32 = 256;

/// The arguments of [`PROGRAM`]. Its output is the console.
///
/// # Errors
/// When a path is not UTF-8.
pub fn args(machine: &Machine<'_>, files: &Files) -> Result<Vec<String>> {
    let Machine { kernel, run, .. } = machine;
    let results = text(&files.results)?;
    let mut args = vec![
        "-c".to_owned(),
        SCRIPT.to_owned(),
        PROGRAM.to_owned(),
        text(&files.second)?.to_owned(),
        text(&kernel.image())?.to_owned(),
        format!("mem={MEMORY}M"),
        format!("initrd={}", text(&kernel.initramfs())?),
        // `r`: read-only.
        format!("ubd0r={}", text(&kernel.root())?),
        format!("ubd1r={}", text(&kernel.modules())?),
        format!("tackle.tackle={}", text(&kernel.payload())?),
        format!("tackle.results={results}"),
        format!("tackle.run={run}"),
        // Its pid file and socket.
        format!("uml_dir={results}/"),
    ];
    let words = [
        "console=ttyS0",
        "printk.devkmsg=on",
        "panic=-1",
        "con=null",
        "ssl=null",
        "ssl1=null,fd:3",
    ];
    let (console, level) = match machine.console {
        Console::File => ("ssl0=null,fd:1", "loglevel=7"),
        Console::Terminal(_) => ("ssl0=fd:0,fd:1", "loglevel=5"),
    };
    let words = words.into_iter().chain([console, level]);
    args.extend(words.map(str::to_owned));
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;
    use crate::qemu::Accel;

    #[test]
    fn the_kernel_is_the_program_and_is_told_where_things_are() {
        let kernel = Kernel {
            name: "uml".into(),
            dir: "/k".into(),
        };
        let dir = tempfile::tempdir().unwrap();
        let files = Files::create(dir.path()).unwrap();
        let machine = Machine {
            kernel: &kernel,
            accel: Accel::Uml,
            cpus: 1,
            run: "bench,qdisc",
            rounds: None,
            console: Console::File,
        };
        let args = args(&machine, &files).unwrap();
        assert_eq!(args[4], "/k/vmlinuz");
        for word in [
            "ubd0r=/k/root.img",
            "tackle.tackle=/k/payload",
            "tackle.run=bench,qdisc",
            "ssl0=null,fd:1",
        ] {
            assert!(args.iter().any(|arg| arg == word), "{word}: {args:?}");
        }
    }
}
