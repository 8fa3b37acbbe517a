// SPDX-License-Identifier: GPL-2.0

//! Tests `tackle numa unseen` and `tackle numa interrupts` on a fake machine, whose files are in a
//! folder.

mod fake;
mod machine;

use std::fs::File;
use std::os::unix::fs::{symlink, FileExt};
use std::path::PathBuf;

use fake::{error, put};
use machine::Machine;
use tackle_cli::numa::interrupts;
use tackle_cli::numa::unseen::reason::Reason;
use tackle_cli::numa::unseen::{memory, text};

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const EXCLUSIVE: u64 = 1 << 56;

const DIRTY: u64 = 1 << 4;
const SWAPBACKED: u64 = 1 << 14;
const KSM: u64 = 1 << 21;
const ZERO: u64 = 1 << 24;

/// Anonymous memory, a private file, a read-only file, hugetlb pages, and a reserved range.
const SMAPS: &str = "\
00010000-00020000 rw-p 00000000 00:00 0
Rss:                  64 kB
VmFlags: rd wr mr mw me ac
00020000-00024000 rw-p 00000000 fe:01 12    /data
Rss:                  16 kB
VmFlags: rd wr mr mw me ac
00030000-00032000 r--p 00000000 fe:01 13    /lib/x.so
Rss:                   8 kB
VmFlags: rd mr mw me
00400000-00800000 rw-p 00000000 00:0f 14    /huge
Rss:                   0 kB
VmFlags: rd wr mr mw me ht
10000000-100000000 ---p 00000000 00:00 0
Rss:                   0 kB
VmFlags: mr mw me nr
";

const NUMA_MAPS: &str = "\
00010000 default anon=8 dirty=8 N0=4 N1=4 kernelpagesize_kB=4
00020000 default file=/data mapped=4 N0=4 kernelpagesize_kB=4
00030000 default file=/lib/x.so mapped=2 N0=1 N1=1 kernelpagesize_kB=4
00400000 bind:0 file=/huge huge anon=2 N1=2 kernelpagesize_kB=2048
10000000 default
";

fn write(path: PathBuf, place: u64, value: u64) {
    let file = File::options()
        .create(true)
        // The other entries must stay.
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap();
    file.write_all_at(&value.to_ne_bytes(), place * 8).unwrap();
}

/// Creates a machine with two nodes of 32768 frames each, and the task 7, which runs on node 1.
fn machine(threads: u32) -> Machine {
    let machine = Machine::new(2);
    machine.task(7, 7, "0-7");
    let status = std::fs::read_to_string(machine.proc("7/status")).unwrap();
    put(
        machine.proc("7/status"),
        &status.replace("Threads:\t1", &format!("Threads:\t{threads}")),
    );
    put(
        machine.sys("devices/system/memory/block_size_bytes"),
        "8000000\n",
    );
    for node in [0, 1] {
        let folder = machine.sys(&format!("devices/system/node/node{node}"));
        symlink("../../memory", folder.join(format!("memory{node}"))).unwrap();
    }
    put(machine.proc("7/smaps"), SMAPS);
    put(machine.proc("7/numa_maps"), NUMA_MAPS);
    // Fields 7 to 38 are zeros. Field 39 is the CPU.
    let stat = format!(
        "7 (cat) S 1 7 7 {}4 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        "0 ".repeat(32)
    );
    put(machine.proc("7/stat"), &stat);
    let kpageflags = machine.proc("kpageflags");
    for (page, (entry, pfn, flags)) in (0x10..).zip([
        (PRESENT | EXCLUSIVE, 100, SWAPBACKED | DIRTY),
        (PRESENT | EXCLUSIVE, 101, SWAPBACKED),
        (PRESENT | EXCLUSIVE, 40_000, SWAPBACKED),
        (PRESENT, 40_001, SWAPBACKED | KSM),
        (PRESENT, 102, SWAPBACKED),
        (PRESENT, 103, ZERO),
        (SWAPPED, 77, 0),
        (0, 0, 0),
    ]) {
        write(machine.proc("7/pagemap"), page, entry | pfn);
        write(kpageflags.clone(), pfn, flags);
    }
    for (page, (entry, pfn, flags)) in (0x20..).zip([
        (PRESENT | EXCLUSIVE, 200, DIRTY),
        (PRESENT | EXCLUSIVE, 201, 0),
        // This frame comes after the last frame that has a `struct page`.
        (PRESENT | EXCLUSIVE, 1 << 30, 0),
        (0, 0, 0),
    ]) {
        write(machine.proc("7/pagemap"), page, entry | pfn);
        if pfn < 1 << 30 {
            write(kpageflags.clone(), pfn, flags);
        }
    }
    machine
}

/// A reason, the number of its pages, and the pages by node.
type Kind = (Reason, u64, Vec<(u32, u64)>);

fn pages(machine: &Machine) -> Vec<Kind> {
    let memory = memory(&machine.fake.roots, 7).unwrap();
    let kinds = memory.unseen.into_iter();
    kinds
        .map(|(reason, kind)| (reason, kind.pages, kind.nodes.into_iter().collect()))
        .collect()
}

#[test]
fn memory_without_faults_has_reasons_and_nodes() {
    let machine = machine(2);
    let expected = [
        (Reason::Hugetlb, 1024, vec![(1, 1024)]),
        (Reason::ReadOnlyFile, 2, vec![(0, 1), (1, 1)]),
        (Reason::Inaccessible, 0, vec![]),
        (Reason::Device, 1, vec![]),
        (Reason::Zero, 1, vec![(0, 1)]),
        (Reason::Ksm, 1, vec![(1, 1)]),
        (Reason::CowShared, 1, vec![(0, 1)]),
        (Reason::DirtyFile, 1, vec![(0, 1)]),
    ];
    assert_eq!(pages(&machine), expected);
    let memory = memory(&machine.fake.roots, 7).unwrap();
    assert_eq!((memory.seen.pages, memory.swapped), (4, 1));
    assert!(memory.warnings.is_empty());
    let json = serde_json::to_value(&memory).unwrap();
    assert_eq!(json["unseen"]["ksm"]["nodes"]["1"], 1);
    assert_eq!(json["unseen"]["device"]["elsewhere"], 1);
    let text = text(&memory);
    assert!(text.contains("pinned for DMA"), "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("hugetlb"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[2..], ["1", "1024", "0", "1024", "0"], "{text}");
    machine.run("unseen --pid 7 --json").unwrap();
}

#[test]
fn local_pages_of_a_single_thread_have_no_faults() {
    let machine = machine(1);
    let local = pages(&machine).pop().unwrap();
    assert_eq!(local, (Reason::LocalSingle, 1, vec![(1, 1)]));
}

#[test]
fn a_task_that_is_not_scanned_is_named() {
    let machine = machine(1);
    let status = std::fs::read_to_string(machine.proc("7/status")).unwrap();
    put(
        machine.proc("7/status"),
        &status.replace("Mems_allowed_list:\t0-1", "Mems_allowed_list:\t1"),
    );
    let memory = memory(&machine.fake.roots, 7).unwrap();
    assert!(
        memory.warnings[0].contains("one node only"),
        "{:?}",
        memory.warnings
    );
}

#[test]
fn tasks_without_memory_are_refused() {
    let machine = machine(1);
    assert_eq!(error(machine.run("unseen --pid 8")), "no task 8");
    put(machine.proc("7/smaps"), "");
    let text = error(machine.run("unseen --pid 7"));
    assert!(
        text.starts_with("cat (7) has no memory of its own"),
        "{text}"
    );
}

#[test]
fn frames_without_numbers_are_roots() {
    let machine = machine(1);
    write(machine.proc("7/pagemap"), 0x11, PRESENT);
    let text = error(machine.run("unseen --pid 7"));
    assert!(text.starts_with("only root"), "{text}");
}

const INTERRUPTS: &str = "\
            CPU0       CPU4       CPU5
  24:         10          5          5  PCI-MSIX-0000:00:01.0   0-edge      nvme0q0
  25:          0          0          7  PCI-MSIX-0000:00:02.0   0-edge      eth0-rx-0
  26:          1          0          0  IO-APIC   4-edge      ttyS0
 NMI:          3          3          3  Non-maskable interrupts
 ERR:          0
";

#[test]
fn interrupts_have_the_nodes_of_both_ends() {
    let machine = Machine::new(2);
    put(machine.proc("interrupts"), INTERRUPTS);
    for (device, irq, node) in [("0000:00:01.0", 24, "0"), ("0000:00:02.0", 25, "-1")] {
        let folder = machine.sys("bus/pci/devices").join(device);
        put(folder.join(format!("msi_irqs/{irq}")), "msix\n");
        put(folder.join("numa_node"), &format!("{node}\n"));
    }
    symlink(
        "/drivers/nvme",
        machine.sys("bus/pci/devices/0000:00:01.0/driver"),
    )
    .unwrap();
    for (irq, cpus) in [(24, "4-5"), (25, "5"), (26, "0")] {
        put(
            machine.proc(&format!("irq/{irq}/effective_affinity_list")),
            &format!("{cpus}\n"),
        );
    }
    let all = interrupts::read(&machine.fake.roots).unwrap();
    assert_eq!(all.len(), 3);
    let first = &all[0];
    assert_eq!((first.irq, first.count, first.node), (24, 20, Some(0)));
    assert_eq!(first.driver.as_deref(), Some("nvme"));
    assert_eq!(
        first.by_node.clone().into_iter().collect::<Vec<_>>(),
        [(0, 10), (1, 10)]
    );
    // The firmware does not specify the node of the second device. The third device is not a PCI
    // device.
    let remote: Vec<_> = all.iter().map(|one| one.remote).collect();
    assert_eq!(remote, [Some(true), None, None]);
    assert_eq!((all[1].node, all[2].device.clone()), (None, None));
    let text = interrupts::text(&all);
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[1].contains("nvme0q0") && lines[1].ends_with("remote"),
        "{text}"
    );
    assert!(!lines[2].contains("remote"), "{text}");
    let json = serde_json::to_value(&all).unwrap();
    assert_eq!(json[0]["nodes"][0], 1);
    machine.run("interrupts --remote --json").unwrap();
}

#[test]
fn an_interrupt_may_be_handled_near_its_device() {
    let machine = Machine::new(2);
    put(machine.proc("interrupts"), INTERRUPTS);
    let folder = machine.sys("bus/pci/devices/0000:00:01.0");
    put(folder.join("numa_node"), "1\n");
    put(folder.join("irq"), "24\n");
    put(machine.proc("irq/24/smp_affinity_list"), "0-7\n");
    let all = interrupts::read(&machine.fake.roots).unwrap();
    assert_eq!((all[0].remote, all[0].node), (Some(false), Some(1)));
    put(machine.proc("interrupts"), "nonsense\n");
    assert!(error(interrupts::read(&machine.fake.roots)).contains("/proc/interrupts"));
}

#[test]
fn a_kernel_without_nodes_is_refused() {
    let machine = machine(1);
    std::fs::remove_dir_all(machine.sys("devices/system/node")).unwrap();
    for words in ["interrupts", "unseen --pid 7"] {
        assert!(error(machine.run(words)).contains("no NUMA"), "{words}");
    }
}
