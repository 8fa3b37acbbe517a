// SPDX-License-Identifier: GPL-2.0

//! Describes virtual machines, and makes QEMU's command line for them.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use tackle_arena::{Layout, WORD_ON_COMMAND_LINE};

use crate::accel::Accel;
use crate::control::Control;
use crate::kernel::Kernel;
use crate::work::Work;

/// The name of the program, which is searched in PATH.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// Returns the output of the program's option `--version`.
///
/// # Errors
/// Fails when the program cannot be run.
pub fn version(qemu: &Path) -> Result<String> {
    let output = Command::new(qemu).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", qemu.display()))?;
    if !output.status.success() {
        bail!("{} --version ended with {}", qemu.display(), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The file of the plug-in that counts memory accesses (`qemu-test/plugin`).
const PLUGIN: &str = "libtackle_plugin.so";

/// The default number of NUMA nodes of a guest.
pub const NODES: u32 = 2;

/// Guest memory of the first NUMA node, in MiB. If there are two nodes, the second has the same.
/// The kernel and the initramfs are on the first node.
const FIRST_MEMORY: u32 = 1024;

/// Guest memory of the last of more than two nodes, in MiB, and the maximum of the nodes before it.
/// A booting kernel allocates memory from the last node, and would use up a small node.
const LAST_MEMORY: u32 = 512;

/// The maximum guest memory of the nodes between the first and the last one together, in MiB.
///
/// All memory is then below 2.75 GiB, where QEMU does not split it. KASAN allocates the shadow of
/// each part of the memory on the node where the part begins, and would use up a small node.
const MIDDLE_MEMORY: u32 = 1280;

/// The memory of a node is a multiple of this, in MiB: the largest block of the page allocator.
const BLOCK: u32 = 4;

/// The numbers of nodes for which the distances form a ring. With fewer nodes, all nodes are
/// neighbours. With more nodes, the command line would have thousands of distances.
const RING: RangeInclusive<u32> = 3..=8;

/// Where the guest's console (ttyS0) is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// Into the file [`Files::console`].
    File,
    /// To the terminal of the runner, control characters included.
    Terminal,
}

/// The files of one boot, all in one directory.
#[derive(Clone, Debug)]
pub struct Files {
    /// The output of ttyS0: the kernel log and the output of programs.
    pub console: PathBuf,
    /// The output of ttyS1: KTAP, or the demonstration.
    pub second: PathBuf,
    /// QEMU's own messages.
    pub stderr: PathBuf,
    /// The command line, to boot the same guest by hand.
    pub command: PathBuf,
    /// The pipe by which the plug-in sends its counts to ttyS2.
    pub counts: PathBuf,
    /// Where User Mode Linux keeps its pid file and socket.
    pub uml: PathBuf,
}

impl Files {
    /// Creates the directory, if it does not exist.
    ///
    /// # Errors
    /// Fails when the directory cannot be created.
    pub fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self {
            console: dir.join("console.log"),
            second: dir.join("ktap.log"),
            stderr: dir.join("qemu.stderr"),
            command: dir.join("qemu.command"),
            counts: dir.join("counts"),
            uml: dir.join("uml"),
        })
    }
}

/// How the nodes of a guest are connected, from three nodes to eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wires {
    /// Each node is connected to two neighbours. The kernel classifies this as
    /// `NUMA_GLUELESS_MESH`.
    Ring,
    /// The nodes are in two groups, with a backplane between the groups.
    Backplane,
}

impl Wires {
    /// Returns the distance of two nodes: 10 from a node to itself, and 10 more for each step.
    fn distance(self, src: u32, dst: u32, nodes: u32) -> u32 {
        let steps = src.abs_diff(dst);
        let half = nodes / 2;
        10 + 10
            * match self {
                Self::Ring => steps.min(nodes - steps),
                Self::Backplane if steps == 0 => 0,
                Self::Backplane if (src < half) == (dst < half) => 1,
                Self::Backplane => 2,
            }
    }
}

/// The properties of a guest that do not depend on its work. Guests of the same shape can start
/// from the same template.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The kernel to boot.
    pub kernel: &'a Kernel,
    /// What executes the guest.
    pub accel: Accel,
    /// The number of CPUs: less than the number of nodes, or a multiple of it.
    pub cpus: u32,
    /// The number of NUMA nodes. The CPUs are distributed evenly. If there are fewer CPUs than
    /// nodes, the first nodes have one CPU each, and the others have memory only.
    pub nodes: u32,
    /// How the nodes are connected.
    pub wires: Wires,
    /// Kernel parameters besides those of every guest.
    pub parameters: &'static [&'static str],
}

impl Shape<'_> {
    /// Returns whether a plug-in counts the memory accesses of workloads.
    pub fn counts(&self) -> bool {
        self.accel == Accel::Clocked
    }

    /// Returns the name of the shape in messages.
    pub fn name(&self) -> String {
        let parameters = self.parameters.iter().map(|word| format!(", {word}"));
        let parameters: String = parameters.collect();
        format!(
            "{}, {} CPUs, {} nodes{parameters}",
            self.kernel.name, self.cpus, self.nodes
        )
    }

    /// Returns how many nodes have CPUs.
    fn nodes_with_cpus(&self) -> u32 {
        self.nodes.min(self.cpus)
    }

    /// Returns the memory of a node, in MiB.
    fn memory(&self, node: u32) -> u32 {
        match (node, self.nodes) {
            (0, _) | (_, ..=2) => FIRST_MEMORY,
            (node, nodes) if node == nodes - 1 => LAST_MEMORY,
            (_, nodes) => {
                let share = MIDDLE_MEMORY / (nodes - 2);
                (share - share % BLOCK).min(LAST_MEMORY)
            }
        }
    }

    /// Returns those arguments of QEMU that are the same for all guests of this shape.
    ///
    /// # Errors
    /// Fails when a path is not UTF-8, or the kernel's config cannot be read.
    pub fn args(&self) -> Result<Vec<String>> {
        let mut args = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
        add(self.accel.args());
        let memory: u32 = (0..self.nodes).map(|node| self.memory(node)).sum();
        let memory = format!("{memory}M");
        // Each node with CPUs has a socket, since the kernel warns about nodes that share a socket.
        let sockets = self.nodes_with_cpus();
        let cpus = format!("{},sockets={sockets}", self.cpus);
        add(&["-machine", "q35", "-m", &memory, "-smp", &cpus]);
        for node in 0..self.nodes {
            let (cpus, memory) = (self.cpus_of(node), self.memory(node));
            add(&[
                "-object",
                &format!("memory-backend-ram,id=ram{node},size={memory}M"),
            ]);
            add(&[
                "-numa",
                &format!("node,nodeid={node}{cpus},memdev=ram{node}"),
            ]);
        }
        if RING.contains(&self.nodes) {
            for (src, dst) in pairs(self.nodes) {
                let val = self.wires.distance(src, dst, self.nodes);
                add(&["-numa", &format!("dist,src={src},dst={dst},val={val}")]);
            }
        }
        add(&[
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
        ]);
        // Hotplug is off, since no guest needs it. The kernel would interpret the ACPI tables for
        // hotplug, which is a sixth of the boot time with KASAN.
        add(&[
            "-global",
            "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
        ]);
        if self.has_generation_id()? {
            add(&["-device", "vmgenid,guid=auto"]);
        }
        add(&["-kernel", text(&self.kernel.image())?]);
        add(&["-initrd", text(&self.kernel.initramfs())?]);
        Ok(args)
    }

    /// Returns the layout of the nodes for the plug-in.
    pub fn layout(&self) -> Layout {
        let share = self.cpus / self.nodes_with_cpus();
        Layout {
            cpus: (0..self.cpus).map(|cpu| (cpu / share) as usize).collect(),
            memory: (0..self.nodes)
                .map(|node| self.memory(node).into())
                .collect(),
        }
    }

    /// Returns the CPUs of a node, as a part of QEMU's option `-numa node`.
    fn cpus_of(&self, node: u32) -> String {
        let share = self.cpus / self.nodes_with_cpus();
        let (first, last) = (node * share, (node + 1) * share - 1);
        if node >= self.nodes_with_cpus() {
            String::new()
        } else if first == last {
            format!(",cpus={first}")
        } else {
            format!(",cpus={first}-{last}")
        }
    }

    /// Returns whether the kernel initialises its random numbers anew after it was restored. It
    /// does so when the machine's generation ID has changed (`drivers/virt/vmgenid.c`).
    ///
    /// # Errors
    /// The errors are those of [`Kernel::has`].
    pub fn has_generation_id(&self) -> Result<bool> {
        self.kernel.has("CONFIG_VMGENID")
    }

    /// Returns the kernel parameters for every guest of the shape.
    ///
    /// # Errors
    /// The errors are those of [`Kernel::has`].
    pub fn parameters(&self) -> Result<Vec<String>> {
        // An oops causes a panic, a panic causes a reboot, and with `-no-reboot` the reboot ends
        // QEMU. So the log ends with the whole report. After a warning the guest continues, and the
        // test that was running is reported as failed.
        let mut words = vec![
            "console=ttyS0",
            "printk.devkmsg=on",
            "oops=panic",
            "panic=-1",
        ];
        words.extend(self.accel.parameters());
        // Enable SLUB's checks without recording the stacks that allocate and free objects. KASAN
        // records them, too, and recording them twice takes a twelfth of the time of such a kernel.
        if self.kernel.has("CONFIG_SLUB_DEBUG_ON")? && self.kernel.has("CONFIG_KASAN")? {
            words.push("slab_debug=FZP");
        }
        if self.counts() {
            words.push(WORD_ON_COMMAND_LINE);
        }
        words.extend(self.parameters);
        Ok(words.into_iter().map(str::to_owned).collect())
    }
}

/// Returns the pairs of different nodes, each in one order. QEMU adds the other order.
fn pairs(nodes: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..nodes).flat_map(move |src| (src + 1..nodes).map(move |dst| (src, dst)))
}

/// One virtual machine.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// The shape of the guest.
    pub shape: Shape<'a>,
    /// The work that the kernel's command line gives to the guest.
    pub work: &'a Work,
    /// The file system image that the guest mounts on `/tackle`.
    pub payload: &'a Path,
    /// Where the console is written.
    pub console: Console,
    /// The control folder, with QEMU's monitor and the pipe into ttyS1, for a guest that is saved
    /// or restored.
    pub control: Option<&'a Control>,
    /// Whether QEMU waits for the state of a saved guest instead of booting the kernel.
    pub incoming: bool,
}

impl Machine<'_> {
    /// QEMU's arguments.
    ///
    /// # Errors
    /// The errors are those of [`Shape::args`].
    pub fn args(&self, files: &Files) -> Result<Vec<String>> {
        let mut args = self.shape.args()?;
        let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["-append", &self.parameters()?]);
        // Append, because a restored guest continues its log files.
        let console = match self.console {
            Console::File => format!("file,id=console,path={},append=on", option(&files.console)?),
            Console::Terminal => "stdio,id=console,signal=off".to_owned(),
        };
        add(&["-chardev", &console, "-serial", "chardev:console"]);
        let mut second = format!("file,id=second,path={},append=on", option(&files.second)?);
        if let Some(control) = self.control {
            second += &format!(",input-path={}", option(&control.pipe())?);
            let socket = option(&control.monitor())?;
            add(&["-qmp", &format!("unix:{socket},server=on,wait=off")]);
        }
        add(&["-chardev", &second, "-serial", "chardev:second"]);
        if self.shape.counts() {
            let (plugin, pipe) = (plugin()?, option(&files.counts)?);
            let (plugin, layout) = (option(&plugin)?, self.shape.layout());
            add(&["-plugin", &format!("{plugin},{layout},out={pipe}")]);
            add(&[
                "-chardev",
                &format!("file,id=counts,path=/dev/null,input-path={pipe}"),
            ]);
            // ttyS2 would have interrupt 4 by default, which ttyS0 uses.
            let line = "isa-serial,chardev=counts,index=2,iobase=0x3e8,irq=5";
            add(&["-device", line]);
        }
        // In this order the disks are vda, vdb and vdc. They are read-only and need no locks. With
        // locks, guests that started at the same moment have failed.
        let kernel = self.shape.kernel;
        for image in [&kernel.root(), &kernel.modules(), self.payload] {
            add(&[
                "-drive",
                &format!(
                    "if=virtio,format=raw,readonly=on,file.locking=off,file.filename={}",
                    option(image)?
                ),
            ]);
        }
        if self.incoming {
            add(&["-incoming", "defer"]);
        }
        Ok(args)
    }

    fn parameters(&self) -> Result<String> {
        let mut words = self.shape.parameters()?;
        words.extend(self.work.words());
        let level = match self.console {
            Console::File => 7,
            // The user types on the terminal, so print only warnings and worse messages.
            Console::Terminal => 5,
        };
        words.push(format!("loglevel={level}"));
        Ok(words.join(" "))
    }
}

/// Returns the path of the plug-in that counts memory accesses. Cargo builds it into the folder of
/// this program.
///
/// # Errors
/// Fails when the file does not exist.
fn plugin() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let path = program.with_file_name(PLUGIN);
    ensure!(
        path.exists(),
        "{} is missing: make programs",
        path.display()
    );
    Ok(path)
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Returns a path for use in a list of options. In such a list, QEMU reads two commas as one comma
/// that is part of the text.
fn option(path: &Path) -> Result<String> {
    Ok(text(path)?.replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::work::WAIT;

    fn args_for(
        config: &str,
        accel: Accel,
        (cpus, nodes): (u32, u32),
        console: Console,
        control: Option<&Control>,
    ) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let kernel = Kernel {
            name: "k".into(),
            dir: dir.path().join("a,b"),
        };
        let files = Files::create(dir.path()).unwrap();
        std::fs::create_dir(&kernel.dir).unwrap();
        std::fs::write(kernel.config(), config).unwrap();
        let work = match control {
            Some(_) => Work::new(WAIT),
            None => Work {
                rounds: Some(7),
                ..Work::new("run,hooks")
            },
        };
        Machine {
            shape: Shape {
                kernel: &kernel,
                accel,
                cpus,
                nodes,
                wires: Wires::Ring,
                parameters: &["kunit.enable=1"],
            },
            work: &work,
            payload: &kernel.payload_image(),
            console,
            control,
            incoming: control.is_some(),
        }
        .args(&files)
        .unwrap()
    }

    fn args(accel: Accel, cpus: u32, console: Console) -> Vec<String> {
        args_for("", accel, (cpus, accel.nodes(NODES)), console, None)
    }

    fn args_on(cpus: u32, nodes: u32) -> Vec<String> {
        args_for("", Accel::Tcg, (cpus, nodes), Console::File, None)
    }

    fn values<'a>(args: &'a [String], name: &str) -> Vec<&'a str> {
        let pairs = args.iter().zip(&args[1..]);
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    #[test]
    fn one_checker_takes_the_stacks_of_objects() {
        let slub = "CONFIG_SLUB_DEBUG_ON=y\n";
        let both = format!("{slub}CONFIG_KASAN=y\n");
        for (config, spares) in [("", false), (slub, false), (both.as_str(), true)] {
            let args = args_for(config, Accel::Tcg, (2, 2), Console::File, None);
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
    fn four_nodes_form_a_ring() {
        let args = args_on(4, 4);
        assert_eq!(values(&args, "-smp"), ["4,sockets=4"]);
        let numa = values(&args, "-numa");
        let (nodes, distances) = numa.split_at(4);
        assert_eq!(nodes[0], "node,nodeid=0,cpus=0,memdev=ram0");
        assert_eq!(nodes[3], "node,nodeid=3,cpus=3,memdev=ram3");
        assert_eq!(
            distances,
            [
                "dist,src=0,dst=1,val=20",
                "dist,src=0,dst=2,val=30",
                "dist,src=0,dst=3,val=20",
                "dist,src=1,dst=2,val=20",
                "dist,src=1,dst=3,val=30",
                "dist,src=2,dst=3,val=20",
            ]
        );
    }

    #[test]
    fn a_backplane_is_farther_than_a_neighbour() {
        let row = |src| [0, 1, 2, 3].map(|dst| Wires::Backplane.distance(src, dst, 4));
        assert_eq!(row(0), [10, 20, 30, 30]);
        assert_eq!(row(3), [30, 30, 20, 10]);
        assert_eq!(Wires::Backplane.distance(3, 4, 8), 30);
    }

    #[test]
    fn nodes_without_cpus_have_memory() {
        let args = args_on(4, 64);
        assert_eq!(values(&args, "-smp"), ["4,sockets=4"]);
        let numa = values(&args, "-numa");
        assert_eq!(numa.len(), 64, "{numa:?}");
        assert_eq!(numa[3], "node,nodeid=3,cpus=3,memdev=ram3");
        assert_eq!(numa[4], "node,nodeid=4,memdev=ram4");
        assert_eq!(numa[63], "node,nodeid=63,memdev=ram63");
    }

    #[test]
    fn the_memory_is_the_sum_of_the_nodes() {
        let (two, four) = ([1024; 2].as_slice(), [1024, 512, 512, 512].as_slice());
        let many = [[1024].as_slice(), &[20; 62], &[512]].concat();
        for nodes in [two, four, &many] {
            let number = u32::try_from(nodes.len()).unwrap();
            let args = args_on(number.min(4), number);
            let each = |(node, mib)| format!("memory-backend-ram,id=ram{node},size={mib}M");
            let wanted: Vec<_> = nodes.iter().enumerate().map(each).collect();
            assert_eq!(values(&args, "-object"), wanted);
            let all: u32 = nodes.iter().sum();
            assert_eq!(values(&args, "-m"), [format!("{all}M")]);
            // If a guest has 2.75 GiB or more, QEMU places a part of the memory above 4 GiB.
            assert!(all < 2816, "{all}");
        }
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
        assert!(drives[2].ends_with("/a,,b/payload.img"), "{drives:?}");
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
            "kunit.enable=1",
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
        let args = args(Accel::Tcg, 2, Console::Terminal);
        assert!(values(&args, "-chardev")[0].contains("stdio,id=console,signal=off"));
        assert!(values(&args, "-append")[0].ends_with(" loglevel=5"));
    }

    #[test]
    fn a_guest_that_is_restored_has_a_monitor_and_waits_for_its_state() {
        let control = Control::create().unwrap();
        let config = "CONFIG_VMGENID=y\n";
        let args = args_for(config, Accel::Tcg, (2, 2), Console::File, Some(&control));
        assert!(values(&args, "-append")[0].contains("tackle.run=wait"));
        assert_eq!(values(&args, "-incoming"), ["defer"]);
        assert_eq!(values(&args, "-device"), ["vmgenid,guid=auto"]);
        let socket = control.monitor();
        assert!(values(&args, "-qmp")[0].contains(socket.to_str().unwrap()));
        assert!(values(&args, "-chardev")[1].contains(",input-path="));
    }
}
