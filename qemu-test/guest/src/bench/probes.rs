// SPDX-License-Identifier: GPL-2.0

//! Measures the other ways to attach code to a function: kprobes in C (`kprobe_bench`) and BPF
//! programs. They do nothing, and are on the function of `bench_tracee`.

use std::time::Duration;

use anyhow::Result;

use super::hooks::{call, figure, SUITE};
use super::{Report, Skipped};
use crate::sys::bpf::{has_btf, Attached};
use crate::sys::{debugfs, ftrace, module, wait_for};

/// The time after which the kernel has optimized kprobes to jumps, or has removed unused ones. The
/// guest's clock jumps ahead while it waits.
const LIMIT: Duration = Duration::from_secs(60);

/// The file that enables the optimization of kprobes to jumps.
const OPTIMIZATION: &str = "/proc/sys/debug/kprobes-optimization";
/// The file with the first byte of the code at the kprobes. The kernel's list of kprobes is no use
/// here: it shows `[OPTIMIZED]` as soon as the optimization is planned.
const OPCODE: &str = "/sys/module/kprobe_bench/parameters/opcode";

/// A kprobe at one place.
struct Kprobe {
    subject: &'static str,
    symbol: &'static str,
    optimization: &'static str,
    opcode: &'static str,
}

const KPROBES: [Kprobe; 3] = [
    Kprobe {
        subject: "kprobe",
        symbol: "tracee",
        optimization: "1",
        opcode: "e8",
    },
    Kprobe {
        subject: "kprobe-optimized",
        symbol: "tracee_inside",
        optimization: "1",
        opcode: "e9",
    },
    Kprobe {
        subject: "kprobe-int3",
        symbol: "tracee_inside",
        optimization: "0",
        opcode: "cc",
    },
];

/// Measures a call with `count` kprobes on the function, for each kind of kprobe.
///
/// # Errors
///
/// A kprobe cannot be registered, is not of the expected kind, or is not removed.
pub fn measure(report: &mut Report, case: &str, count: u32) -> Result<()> {
    for kprobe in KPROBES {
        kprobes(report, case, &kprobe, count)?;
    }
    bpf(report, case, "fentry", count)?;
    bpf(report, case, "kprobe", count)
}

/// Measures a call with `count` BPF programs on the function, attached by the method `attach`.
///
/// # Errors
///
/// The errors are those of [`measure`].
pub fn bpf(report: &mut Report, case: &str, attach: &str, count: u32) -> Result<()> {
    let subject = format!("bpf-{attach}");
    if attach != "kprobe" && !has_btf("bench_tracee") {
        let reason = "the kernel has no BTF of bench_tracee";
        return skipped(report, case, &subject, reason);
    }
    let attached = Attached::load(attach, count)?;
    ftrace::expect_enabled("tracee")?;
    figure(report, case, &subject, call()?)?;
    drop(attached);
    wait_for("BPF programs to be gone", LIMIT, || {
        Ok(ftrace::enabled("tracee")?.is_none().then_some(()))
    })
}

fn kprobes(report: &mut Report, case: &str, kprobe: &Kprobe, count: u32) -> Result<()> {
    debugfs::set(OPTIMIZATION, kprobe.optimization)?;
    let parameters = format!("probes={count} symbol=bench_tracee:{}", kprobe.symbol);
    let probes = module::load("kprobe_bench", &parameters)?;
    // The kernel replaces the breakpoint by a jump some time after the registration.
    let ready = wait_for(&format!("opcode {}", kprobe.opcode), LIMIT, || {
        Ok((debugfs::read(OPCODE)? == kprobe.opcode).then_some(()))
    });
    match ready {
        Ok(()) => figure(report, case, kprobe.subject, call()?)?,
        Err(error) => {
            let reason = format!("{error:#}, the code has {}", debugfs::read(OPCODE)?);
            skipped(report, case, kprobe.subject, &reason)?;
        }
    }
    probes.unload()?;
    debugfs::set(OPTIMIZATION, "1")?;
    ftrace::expect_bare("tracee")
}

fn skipped(report: &mut Report, case: &str, subject: &str, reason: &str) -> Result<()> {
    report.skipped(Skipped {
        suite: SUITE.name,
        case,
        subject,
        reason,
    })
}
