// SPDX-License-Identifier: GPL-2.0

//! The virtual machine: QEMU's command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::kernel::Kernel;
use crate::suite::Guest;

/// The program, looked up in PATH.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// Guest memory per NUMA node, in MiB.
const NODE_MEMORY: u32 = 1024;

/// NUMA nodes; the CPUs are split evenly. A machine with one CPU has one node.
pub const NODES: u32 = 2;

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
            Self::Uml => "uml",
            Self::TimeTravel => "uml, time-travel=inf-cpu",
        }
    }

    /// What runs a guest of this suite.
    pub fn for_suite(self, suite: Guest) -> Self {
        if self == Self::Tcg && !suite.at_once {
            return Self::TcgInTurn;
        }
        self
    }

    /// How many of the wanted CPUs a guest gets.
    pub fn cpus(self, wanted: u32) -> u32 {
        match self {
            Self::Kvm | Self::Tcg | Self::TcgInTurn => wanted,
            Self::Icount | Self::Uml | Self::TimeTravel => 1,
        }
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
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["no5lvl"],
            Self::Tcg | Self::TcgInTurn => &[
                "no5lvl",
                "watchdog_thresh=60",
                "rcupdate.rcu_cpu_stall_timeout=120",
                "sysctl.kernel.hung_task_timeout_secs=600",
                "no_timer_check",
            ],
            // Its clock leaps ahead while the guest waits for its disk.
            Self::Icount => &["sysctl.kernel.hung_task_timeout_secs=0"],
            Self::Uml | Self::TimeTravel => &[],
        }
    }
}

/// Where the guest's console (ttyS0) leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Console {
    /// Into the file [`Files::console`].
    File,
    /// To the terminal of the runner, control characters included; the
    /// terminal's rows and columns where they are known, as a serial line does
    /// not tell them.
    Terminal(Option<(u16, u16)>),
}

/// The files of one boot, all in one directory.
#[derive(Clone, Debug)]
pub struct Files {
    /// ttyS0: the kernel log and what programs print.
    pub console: PathBuf,
    /// ttyS1: KTAP, or what the demo shows.
    pub second: PathBuf,
    /// QEMU's own messages.
    pub stderr: PathBuf,
    /// The command line, to boot the same by hand.
    pub command: PathBuf,
    /// The directory that the guest sees as `/results`.
    pub results: PathBuf,
}

impl Files {
    /// Makes the directories.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn create(dir: &Path) -> Result<Self> {
        let results = dir.join("results");
        std::fs::create_dir_all(&results)
            .with_context(|| format!("cannot make {}", results.display()))?;
        Ok(Self {
            console: dir.join("console.log"),
            second: dir.join("ktap.log"),
            stderr: dir.join("qemu.stderr"),
            command: dir.join("qemu.command"),
            results,
        })
    }
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// What to boot.
    pub kernel: &'a Kernel,
    /// What runs it.
    pub accel: Accel,
    /// The number of CPUs: 1, or a multiple of 2, as each of two nodes has as many.
    pub cpus: u32,
    /// The words for the guest program, separated by commas.
    pub run: &'a str,
    /// How often a suite that repeats itself does so; its own number when `None`.
    pub rounds: Option<u32>,
    /// Where the console leads.
    pub console: Console,
}

impl Machine<'_> {
    /// QEMU's arguments.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn args(&self, files: &Files) -> Result<Vec<String>> {
        let mut args = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
        add(self.accel.args());
        let nodes = NODES.min(self.cpus);
        let memory = format!("{}M", NODE_MEMORY * nodes);
        // A socket for each node: the kernel warns of nodes that share one.
        let cpus = format!("{},sockets={nodes}", self.cpus);
        add(&["-machine", "q35", "-m", &memory, "-smp", &cpus]);
        for node in 0..nodes {
            let share = self.cpus / nodes;
            let (first, last) = (node * share, (node + 1) * share - 1);
            let cpus = if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            };
            add(&[
                "-object",
                &format!("memory-backend-ram,id=ram{node},size={NODE_MEMORY}M"),
            ]);
            add(&[
                "-numa",
                &format!("node,nodeid={node},cpus={cpus},memdev=ram{node}"),
            ]);
        }
        add(&[
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
        ]);
        // Nothing is plugged in later on, and to read and run the ACPI tables that say how
        // is a sixth of the time in which a kernel with KASAN boots.
        add(&[
            "-global",
            "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
        ]);
        add(&["-kernel", text(&self.kernel.image())?]);
        add(&["-initrd", text(&self.kernel.initramfs())?]);
        add(&["-append", &self.parameters()?]);
        let console = match self.console {
            Console::File => format!("file,id=console,path={}", option(&files.console)?),
            Console::Terminal(_) => "stdio,id=console,signal=off".to_owned(),
        };
        add(&["-chardev", &console, "-serial", "chardev:console"]);
        add(&[
            "-chardev",
            &format!("file,id=second,path={}", option(&files.second)?),
        ]);
        add(&["-serial", "chardev:second"]);
        // The order makes them vda and vdb. Nobody writes to them: no need for locks, over
        // which guests that start at the same moment were seen to fail.
        for image in [self.kernel.root(), self.kernel.modules()] {
            add(&[
                "-drive",
                &format!(
                    "if=virtio,format=raw,readonly=on,file.locking=off,file.filename={}",
                    option(&image)?
                ),
            ]);
        }
        for (tag, path, mode) in [
            ("tackle", self.kernel.payload(), ",readonly=on"),
            ("results", files.results.clone(), ""),
        ] {
            let path = option(&path)?;
            add(&[
                "-virtfs",
                &format!("local,path={path},mount_tag={tag},security_model=none{mode}"),
            ]);
        }
        Ok(args)
    }

    fn parameters(&self) -> Result<String> {
        // An oops becomes a panic, a panic a reboot, and with -no-reboot the
        // reboot ends QEMU: the log then ends with the whole report. A warning
        // lets the guest go on: the test that was running is failed anyway.
        let mut words: Vec<String> = [
            "console=ttyS0",
            "printk.devkmsg=on",
            "oops=panic",
            "panic=-1",
        ]
        .iter()
        .chain(self.accel.parameters())
        .map(|word| (*word).to_owned())
        .collect();
        // SLUB's checks, without the stacks of who allocated and freed each object: KASAN
        // has those as well, and to take them twice is a twelfth of such a kernel's time.
        if self.kernel.has("CONFIG_SLUB_DEBUG_ON")? && self.kernel.has("CONFIG_KASAN")? {
            words.push("slab_debug=FZP".to_owned());
        }
        // Switched on, KUnit runs the tests of a module that is loaded, and taints the
        // kernel before.
        if self.run.split(',').any(|word| word == "kunit") {
            words.extend(["kunit.enable=1", "kunit.autorun=1"].map(str::to_owned));
        }
        words.push(format!("tackle.run={}", self.run));
        words.extend(self.rounds.map(|rounds| format!("tackle.rounds={rounds}")));
        match self.console {
            Console::File => words.push("loglevel=7".to_owned()),
            // Somebody types there: warnings and worse only.
            Console::Terminal(size) => {
                words.push("loglevel=5".to_owned());
                words.extend(
                    size.map(|(rows, columns)| format!("tackle.tty=rows={rows},cols={columns}")),
                );
            }
        }
        Ok(words.join(" "))
    }
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

/// A path in a list of options: QEMU takes a doubled comma for a plain one.
fn option(path: &Path) -> Result<String> {
    Ok(text(path)?.replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args_for(config: &str, accel: Accel, cpus: u32, console: Console) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let kernel = Kernel {
            name: "k".into(),
            dir: dir.path().join("a,b"),
        };
        let files = Files::create(dir.path()).unwrap();
        std::fs::create_dir(&kernel.dir).unwrap();
        std::fs::write(kernel.config(), config).unwrap();
        Machine {
            kernel: &kernel,
            accel,
            cpus,
            run: "run,hooks",
            rounds: Some(7),
            console,
        }
        .args(&files)
        .unwrap()
    }

    fn args(accel: Accel, cpus: u32, console: Console) -> Vec<String> {
        args_for("", accel, cpus, console)
    }

    fn values<'a>(args: &'a [String], name: &str) -> Vec<&'a str> {
        let pairs = args.iter().zip(&args[1..]);
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    #[test]
    fn cpus_take_turns_but_where_they_are_to_meet() {
        let suite = Guest::new("one");
        assert_eq!(Accel::Tcg.for_suite(suite), Accel::TcgInTurn);
        assert_eq!(Accel::Tcg.for_suite(suite.at_once()), Accel::Tcg);
        assert_eq!(Accel::Kvm.for_suite(suite), Accel::Kvm);
    }

    #[test]
    fn one_checker_takes_the_stacks_of_objects() {
        let slub = "CONFIG_SLUB_DEBUG_ON=y\n";
        let both = format!("{slub}CONFIG_KASAN=y\n");
        for (config, spares) in [("", false), (slub, false), (both.as_str(), true)] {
            let args = args_for(config, Accel::Tcg, 2, Console::File);
            let append = values(&args, "-append")[0];
            assert_eq!(append.contains(" slab_debug=FZP "), spares, "{append}");
        }
    }

    #[test]
    fn two_nodes_share_the_cpus() {
        let numa = |cpus| values(&args(Accel::Tcg, cpus, Console::File), "-numa").join(" ");
        assert_eq!(
            numa(2),
            "node,nodeid=0,cpus=0,memdev=ram0 node,nodeid=1,cpus=1,memdev=ram1"
        );
        assert_eq!(
            numa(4),
            "node,nodeid=0,cpus=0-1,memdev=ram0 node,nodeid=1,cpus=2-3,memdev=ram1"
        );
    }

    #[test]
    fn a_single_cpu_is_a_single_node() {
        let args = args(Accel::Icount, 1, Console::File);
        assert_eq!(values(&args, "-smp"), ["1,sockets=1"]);
        assert_eq!(values(&args, "-numa"), ["node,nodeid=0,cpus=0,memdev=ram0"]);
        assert_eq!(values(&args, "-icount"), ["shift=0,sleep=off"]);
    }

    #[test]
    fn paths_with_commas() {
        let args = args(Accel::Kvm, 2, Console::File);
        assert!(values(&args, "-kernel")[0].ends_with("/a,b/vmlinuz"));
        let drives = values(&args, "-drive");
        assert!(drives[0].ends_with("/a,,b/root.img"), "{drives:?}");
        assert!(drives[1].ends_with("/a,,b/modules.img"), "{drives:?}");
        assert!(values(&args, "-virtfs")[0].contains("/a,,b/payload,mount_tag=tackle"));
    }

    #[test]
    fn the_guest_is_told_what_to_run_and_stops_at_an_oops() {
        let args = args(Accel::Tcg, 2, Console::File);
        let append = values(&args, "-append")[0];
        for word in [
            "console=ttyS0",
            "tackle.run=run,hooks",
            "tackle.rounds=7",
            "oops=panic",
            "panic=-1",
            "watchdog_thresh=60",
        ] {
            assert!(
                append.split(' ').any(|found| found == word),
                "{word} is not in {append}"
            );
        }
        assert!(args.iter().any(|arg| arg == "-no-reboot"));
    }

    #[test]
    fn a_shell_has_the_terminal() {
        let args = args(Accel::Tcg, 2, Console::Terminal(Some((40, 132))));
        assert!(values(&args, "-chardev")[0].contains("stdio,id=console,signal=off"));
        assert!(values(&args, "-append")[0].ends_with(" tackle.tty=rows=40,cols=132"));
    }
}
