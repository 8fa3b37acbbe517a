// SPDX-License-Identifier: GPL-2.0

//! Implements the choice of what executes a guest: hardware (KVM), QEMU's translator (TCG), or User
//! Mode Linux, where the guest's kernel is a process of the host.

use crate::suite::Guest;

/// What executes a guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The hardware, by KVM.
    Kvm,
    /// QEMU's translator (TCG) with a thread for each CPU. It is some 20 times slower than KVM.
    Tcg,
    /// The translator with all CPUs in one thread, in turn. A CPU that waits for another CPU gives
    /// up its turn. With a thread for each CPU, it would use time of the host that the other CPU
    /// needs. When as many guests run as the host has CPUs, this saves a fifth of the time.
    ///
    /// In addition, no CPU executes code while another CPU patches it. With a thread for each CPU,
    /// two CPUs once trapped on an `int3` of the kernel's text poking that was no longer in memory.
    TcgInTurn,
    /// The translator with a clock that counts instructions. One instruction takes one nanosecond
    /// of the guest, so all runs are the same. Such a guest has one CPU.
    Icount,
    /// The translator with all CPUs in one thread, and a clock that counts the instructions of all
    /// CPUs together. A second of the guest is the same number of instructions, even if the host is
    /// busy. So the kernel's periodic work, such as the scans of NUMA balancing, keeps its
    /// proportion to the work of the tasks.
    Clocked,
    /// User Mode Linux: the guest's kernel is a process of the host ([`uml`](crate::uml)).
    Uml,
    /// User Mode Linux with a clock that jumps to the next timer when the guest is idle, and that
    /// stands still while the guest computes. Only waiting takes time. So packets meet the delays
    /// of their links and queues and no other delays, even if the host is busy.
    TimeTravel,
}

impl Accel {
    /// Returns the name in messages.
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

    /// Returns what executes a guest of this suite.
    pub fn for_suite(self, suite: Guest) -> Self {
        match self {
            // Under KVM, no plug-in can count memory accesses.
            Self::Kvm | Self::Tcg if suite.counts => Self::Clocked,
            Self::Tcg if !suite.at_once => Self::TcgInTurn,
            accel => accel,
        }
    }

    /// Returns how many of the wanted CPUs a guest gets.
    pub fn cpus(self, wanted: u32) -> u32 {
        match self {
            Self::Kvm | Self::Tcg | Self::TcgInTurn | Self::Clocked => wanted,
            Self::Icount | Self::Uml | Self::TimeTravel => 1,
        }
    }

    /// Returns how many of the wanted NUMA nodes a guest gets.
    pub fn nodes(self, wanted: u32) -> u32 {
        match self {
            Self::Kvm | Self::Tcg | Self::TcgInTurn | Self::Clocked => wanted,
            Self::Icount | Self::Uml | Self::TimeTravel => 1,
        }
    }

    /// Returns whether a guest can be saved into a file and restored from it. With a clock that
    /// counts instructions, a restored guest would continue from the template's count. User Mode
    /// Linux cannot save itself.
    pub fn can_be_saved(self) -> bool {
        matches!(self, Self::Kvm | Self::Tcg | Self::TcgInTurn)
    }

    /// Returns QEMU's arguments for this choice. For User Mode Linux there are none.
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

    /// Returns the kernel parameters for this choice. Under TCG, a busy host can stop a guest's CPU
    /// for a long time. The parameters prevent that the kernel reports this as a stall, and that
    /// the timer check at boot fails.
    ///
    /// Without `no5lvl`, a kernel with KASAN sometimes reports a "wild-memory-access" in its first
    /// milliseconds. `identify_cpu()` clears the CPU's features and detects them again. If an
    /// interrupt comes in between, KASAN takes all addresses of five-level paging for wrong
    /// addresses.
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
            // The clock jumps ahead here, too, so there is no limit for hung tasks.
            Self::Clocked => &[
                "no5lvl",
                "watchdog_thresh=60",
                "rcupdate.rcu_cpu_stall_timeout=120",
                "sysctl.kernel.hung_task_timeout_secs=0",
                "no_timer_check",
            ],
            // The clock jumps ahead while the guest waits for its disk.
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
