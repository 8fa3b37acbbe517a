// SPDX-License-Identifier: GPL-2.0

//! What executes a guest: the hardware, QEMU's translator, or the host's kernel (UML).

use crate::suite::Guest;

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The hardware.
    Kvm,
    /// QEMU's translator, some 20 times slower.
    Tcg,
    /// The translator with all CPUs in one thread, in turn. A CPU that waits for another
    /// one makes way for it, where with a thread each it would take the host's time that
    /// the other one lacks; with as many guests at once as the host has CPUs that is a fifth
    /// of all. And code is patched while nobody runs it: with a thread a CPU, two were once
    /// seen to trap on an `int3` of the kernel's text poking that memory no longer held.
    TcgInTurn,
    /// The translator with a clock that counts instructions: a guest's nanosecond is one
    /// of them, the same in every run. One CPU is all that there can be.
    Icount,
    /// The translator with all CPUs in one thread and a clock that counts the instructions of all
    /// CPUs together: a guest's second is the same work, however busy the host is. What the
    /// kernel does each second of its clock, as scans of NUMA balancing, keeps its proportion to
    /// what a workload does.
    Clocked,
    /// No machine at all: the kernel is a process of the host ([`uml`](crate::uml)).
    Uml,
    /// The same with a clock that leaps from one timer to the next, and stands still while
    /// anything is computed: nothing takes time but waiting. So a network's packets meet the
    /// delays that its links and queues make, and no others, however busy the host is.
    TimeTravel,
}

impl Accel {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::TcgInTurn => "tcg, one thread",
            Self::Icount => "tcg, icount",
            Self::Clocked => "tcg, icount, several CPUs",
            Self::Uml => "uml",
            Self::TimeTravel => "uml, time-travel=inf-cpu",
        }
    }

    /// What runs a guest of this suite.
    pub fn for_suite(self, suite: Guest) -> Self {
        match self {
            // Hardware does not tell anybody what it accesses.
            Self::Kvm | Self::Tcg if suite.counts => Self::Clocked,
            Self::Tcg if !suite.at_once => Self::TcgInTurn,
            accel => accel,
        }
    }

    /// How many of the wanted CPUs a guest gets.
    pub fn cpus(self, wanted: u32) -> u32 {
        match self {
            Self::Kvm | Self::Tcg | Self::TcgInTurn | Self::Clocked => wanted,
            Self::Icount | Self::Uml | Self::TimeTravel => 1,
        }
    }

    /// How many of the wanted NUMA nodes a guest gets.
    pub fn nodes(self, wanted: u32) -> u32 {
        match self {
            Self::Kvm | Self::Tcg | Self::TcgInTurn | Self::Clocked => wanted,
            Self::Icount | Self::Uml | Self::TimeTravel => 1,
        }
    }

    /// Whether a guest can be saved and started from there. A clock that counts instructions
    /// would go on from the template's count; User Mode Linux has no way to save itself.
    pub fn can_be_saved(self) -> bool {
        matches!(self, Self::Kvm | Self::Tcg | Self::TcgInTurn)
    }

    /// QEMU's arguments that choose it; none where there is no QEMU.
    pub fn args(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
            Self::TcgInTurn => &["-accel", "tcg,thread=single", "-cpu", "max"],
            Self::Icount => &[
                "-accel",
                "tcg",
                "-icount",
                "shift=0,sleep=off",
                "-cpu",
                "max",
            ],
            Self::Clocked => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=3,sleep=off",
                "-cpu",
                "max",
            ],
            Self::Uml | Self::TimeTravel => &[],
        }
    }

    /// Kernel parameters: under TCG a CPU may stand still for as long as the
    /// host is busy, which is no fault of the guest, and none of the timer that it
    /// checks when it boots.
    ///
    /// Without no5lvl a kernel with KASAN now and then reports a "wild-memory-access"
    /// in its first milliseconds: identify_cpu() clears what it knows of the CPU and
    /// finds it out anew, and for an interrupt meanwhile KASAN takes all addresses
    /// of five-level paging for wrong ones.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["no5lvl"],
            Self::Tcg | Self::TcgInTurn => &[
                "no5lvl",
                "watchdog_thresh=60",
                "rcupdate.rcu_cpu_stall_timeout=120",
                "sysctl.kernel.hung_task_timeout_secs=600",
                "no_timer_check",
            ],
            // Its clock leaps ahead, too.
            Self::Clocked => &[
                "no5lvl",
                "watchdog_thresh=60",
                "rcupdate.rcu_cpu_stall_timeout=120",
                "sysctl.kernel.hung_task_timeout_secs=0",
                "no_timer_check",
            ],
            // Its clock leaps ahead while the guest waits for its disk.
            Self::Icount => &["sysctl.kernel.hung_task_timeout_secs=0"],
            Self::Uml | Self::TimeTravel => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_take_turns_but_where_they_are_to_meet() {
        let suite = Guest::new("one");
        assert_eq!(Accel::Tcg.for_suite(suite), Accel::TcgInTurn);
        assert_eq!(Accel::Tcg.for_suite(suite.at_once()), Accel::Tcg);
        assert_eq!(Accel::Kvm.for_suite(suite), Accel::Kvm);
        assert_eq!(Accel::Kvm.for_suite(suite.counting()), Accel::Clocked);
        assert_eq!(Accel::Tcg.for_suite(suite.counting()), Accel::Clocked);
    }
}
