// SPDX-License-Identifier: GPL-2.0

//! Starts guests of User Mode Linux, where the guest's kernel is a process of the host. Computing
//! takes as long as on the host, or no time at all with [`TimeTravel`](Accel::TimeTravel).

use anyhow::{Context, Result};
use nix::sched::{sched_getaffinity, CpuSet};
use nix::unistd::Pid;

use crate::accel::Accel;
use crate::qemu::{text, Console, Files, Machine};

/// The program that starts the guest: a shell, which opens the file descriptor of the second serial
/// line.
pub const PROGRAM: &str = "sh";

/// The shell script. Its arguments are the file of the second serial line, the number of the
/// processor, and the kernel's command line.
///
/// The guest's kernel and its programs are processes that wait for each other. They run on one
/// processor. On two idle processors, each system call would wake up one of the processors, which
/// takes longer than the call.
const SCRIPT: &str =
    r#"second=$1 cpu=$2; shift 2; exec taskset --cpu-list "$cpu" "$@" 3>>"$second""#;

/// Guest memory, in MiB. Modules are loaded behind it. They must be below 2 GiB, the range of
/// relocations with 32 bits.
const MEMORY: u32 = 256;

/// Returns the arguments of [`PROGRAM`]. Its output is the console.
///
/// # Errors
/// Fails when a path is not UTF-8, or `sched_getaffinity(2)` fails.
pub fn args(machine: &Machine<'_>, files: &Files) -> Result<Vec<String>> {
    let kernel = machine.shape.kernel;
    let mut args = vec![
        "-c".to_owned(),
        SCRIPT.to_owned(),
        PROGRAM.to_owned(),
        text(&files.second)?.to_owned(),
        processor()?.to_string(),
        text(&kernel.image())?.to_owned(),
        format!("mem={MEMORY}M"),
        format!("initrd={}", text(&kernel.initramfs())?),
        // `r` makes the disk read-only.
        format!("ubd0r={}", text(&kernel.root())?),
        format!("ubd1r={}", text(&kernel.modules())?),
        format!("tackle.tackle={}", text(&kernel.payload())?),
        // The folder for the pid file and the socket.
        format!("uml_dir={}/", text(&files.uml)?),
    ];
    args.extend(machine.work.words());
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
        Console::Terminal => ("ssl0=fd:0,fd:1", "loglevel=5"),
    };
    let clock = match machine.shape.accel {
        Accel::TimeTravel => Some("time-travel=inf-cpu"),
        _ => None,
    };
    let words = words.into_iter().chain([console, level]).chain(clock);
    args.extend(words.map(str::to_owned));
    Ok(args)
}

/// Returns the last processor that this process may run on. The first processors are usually
/// busier.
fn processor() -> Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let last = (0..CpuSet::count()).rfind(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    last.context("no processor to run on")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;
    use crate::qemu::{Shape, Wires};
    use crate::work::Work;

    fn args_on(accel: Accel) -> Vec<String> {
        let kernel = Kernel {
            name: "uml".into(),
            dir: "/k".into(),
        };
        let dir = tempfile::tempdir().unwrap();
        let files = Files::create(dir.path()).unwrap();
        let machine = Machine {
            shape: Shape {
                kernel: &kernel,
                accel,
                cpus: 1,
                nodes: 1,
                wires: Wires::Ring,
                parameters: &[],
            },
            work: &Work::new("bench,qdisc"),
            payload: &kernel.payload_image(),
            console: Console::File,
            control: None,
            incoming: false,
        };
        args(&machine, &files).unwrap()
    }

    #[test]
    fn the_kernel_is_the_program_and_is_told_where_things_are() {
        let args = args_on(Accel::Uml);
        assert!(args[4].parse::<usize>().is_ok(), "{args:?}");
        assert_eq!(args[5], "/k/vmlinuz");
        for word in [
            "ubd0r=/k/root.img",
            "tackle.tackle=/k/payload",
            "tackle.run=bench,qdisc",
            "ssl0=null,fd:1",
        ] {
            assert!(args.iter().any(|arg| arg == word), "{word}: {args:?}");
        }
    }

    #[test]
    fn the_clock_leaps_where_that_is_asked_for() {
        for (accel, leaps) in [(Accel::Uml, false), (Accel::TimeTravel, true)] {
            let args = args_on(accel);
            assert_eq!(args.iter().any(|arg| arg == "time-travel=inf-cpu"), leaps);
        }
    }
}
