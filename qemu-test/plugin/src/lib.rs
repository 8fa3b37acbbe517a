// SPDX-License-Identifier: GPL-2.0

//! Implements a plug-in of QEMU's translator that counts the memory accesses of workloads in a
//! guest, by the NUMA node of the CPU and that of the page. This gives the true share of local
//! accesses, independent of the kernel's statistics.
//!
//! ```text
//!   -plugin libtackle_plugin.so,cpus=0/0/1/1,memory=1024/1024,out=PIPE
//! ```
//!
//! `tackle-arena` defines the addresses and the format of the counts. C header (QEMU):
//! `include/qemu/qemu-plugin.h`, interface version 2.
//!
//! Only instructions of user mode call the plug-in. Each CPU has its own counters, so an access
//! takes no lock. Counts never decrease. The counts of an interval are the difference of two marks.
//!
//! # Which CPU it is
//!
//! With all CPUs in one thread, as with `-icount`, a callback gets the number of the CPU that
//! translated the block, not of the CPU that executes it. The reason is that QEMU 10.0 compiles the
//! number into the block (`gen_cpu_index()`), and CPUs share blocks. So the plug-in reads the
//! register `k_gs_base`, which has the address of the CPU's own data while a Linux guest is in user
//! mode. The guest names each CPU once (`Place::Cpu`). The plug-in reads the register when an
//! access is to another page than the last access. This is once for each visit of a page. It is
//! also when QEMU switches to another CPU, unless both CPUs use the same page at that moment.

#![warn(missing_docs)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use anyhow::{anyhow, ensure, Context, Result};
use ctor::ctor;
use qemu_plugin::install::{Args, Info};
use qemu_plugin::plugin::{HasCallbacks, Plugin, Register, PLUGIN};
use qemu_plugin::sys::{qemu_plugin_mem_rw, qemu_plugin_tb};
use qemu_plugin::{
    qemu_plugin_get_registers, qemu_plugin_register_vcpu_init_cb,
    qemu_plugin_register_vcpu_tb_trans_cb, CallbackFlags, MemoryInfo, PluginId, RegisterDescriptor,
    TranslationBlock, VCPUIndex,
};
use tackle_arena::{place, Counts, Layout, Place, Row, ARENAS};

/// The end of the addresses of user space.
const USER_END: u64 = 1 << 47;

/// The counters. They are set when QEMU installs the plug-in.
static COUNTER: OnceLock<Counter> = OnceLock::new();

/// The register that identifies the CPU.
static REGISTER: OnceLock<RegisterDescriptor<'static>> = OnceLock::new();

/// The register's name (`gdb-xml/i386-64bit.xml` in QEMU).
const REGISTER_NAME: &str = "k_gs_base";

/// The number of bits of an address within a page.
const PAGE_BITS: u32 = 12;

struct Counter {
    layout: Layout,
    /// The counters by CPU, arena, and node of the memory. The last node is for addresses without a
    /// node. The last CPU is for CPUs that the guest has not named.
    counts: Vec<AtomicU64>,
    /// The value of [`REGISTER`] on each CPU; 0 if the guest has not named the CPU.
    bases: Vec<AtomicU64>,
    /// The page of the last access. `cpu` is the CPU of that access.
    page: AtomicU64,
    cpu: AtomicUsize,
    out: Mutex<File>,
}

impl Counter {
    fn new(args: &[String]) -> Result<Self> {
        let words: Vec<_> = args.iter().map(String::as_str).collect();
        let layout = Layout::parse(&words)?;
        let path = words.iter().find_map(|word| word.strip_prefix("out="));
        let path = path.context("out=FILE is missing")?;
        let out = OpenOptions::new().append(true).open(path);
        let cpus = layout.cpus.len();
        let cells = (cpus + 1) * ARENAS * (layout.nodes() + 1);
        Ok(Self {
            bases: (0..cpus).map(|_| AtomicU64::new(0)).collect(),
            page: AtomicU64::new(0),
            cpu: AtomicUsize::new(cpus),
            counts: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            out: Mutex::new(out.with_context(|| format!("cannot write to {path}"))?),
            layout,
        })
    }

    /// Returns the index of a counter.
    fn cell(&self, cpu: usize, arena: usize, memory: usize) -> usize {
        (cpu * ARENAS + arena) * (self.layout.nodes() + 1) + memory
    }

    /// Returns the CPU that is accessing `address`.
    #[inline]
    fn cpu(&self, address: u64) -> usize {
        let page = address >> PAGE_BITS;
        if self.page.load(Ordering::Relaxed) == page {
            return self.cpu.load(Ordering::Relaxed);
        }
        let base = base();
        let mut bases = self.bases.iter();
        let found = bases.position(|known| Some(known.load(Ordering::Relaxed)) == base);
        let cpu = found.unwrap_or(self.bases.len());
        self.page.store(page, Ordering::Relaxed);
        self.cpu.store(cpu, Ordering::Relaxed);
        cpu
    }

    /// Records the register's value for a CPU that the guest has named.
    fn named(&self, cpu: usize) {
        if let (Some(known), Some(base)) = (self.bases.get(cpu), base()) {
            known.store(base, Ordering::Relaxed);
        }
    }

    #[inline]
    fn count(&self, cpu: usize, arena: usize, physical: Option<u64>) {
        let memory = physical.and_then(|physical| self.layout.node_of(physical));
        let memory = memory.unwrap_or(self.layout.nodes());
        if let Some(cell) = self.counts.get(self.cell(cpu, arena, memory)) {
            // No other thread writes to this counter, and this is cheaper than an atomic addition.
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    fn counts(&self, mark: usize) -> Counts {
        let nodes = self.layout.nodes();
        let mut rows = Vec::new();
        for arena in 0..ARENAS {
            for node in 0..=nodes {
                for memory in 0..=nodes {
                    let cpus = self.layout.cpus.iter().chain([&nodes]).enumerate();
                    let cpus = cpus.filter(|(_, of)| **of == node);
                    let cells = cpus.map(|(cpu, _)| self.cell(cpu, arena, memory));
                    let accesses = cells.map(|cell| self.counts[cell].load(Ordering::Relaxed));
                    let row = Row {
                        arena,
                        cpu: node,
                        memory,
                        accesses: accesses.sum(),
                    };
                    if row.accesses > 0 {
                        rows.push(row);
                    }
                }
            }
        }
        Counts { mark, rows }
    }

    /// Writes all counts as one line.
    fn write(&self, mark: usize) -> Result<()> {
        let line = format!("{}\n", self.counts(mark));
        let mut out = self.out.lock().map_err(|_| anyhow!("a writer panicked"))?;
        out.write_all(line.as_bytes())
            .context("cannot write counts")
    }
}

/// Returns the value of [`REGISTER`] on the current CPU.
fn base() -> Option<u64> {
    let bytes = REGISTER.get()?.read().ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Counts an access. QEMU calls this after each load and store of user mode. The passed number of
/// the CPU may be wrong (see the top of this file).
fn accessed(_: VCPUIndex, info: MemoryInfo<'_>, address: u64) {
    let (Some(place), Some(counter)) = (place(address), COUNTER.get()) else {
        return;
    };
    match place {
        Place::Arena(arena) => {
            let physical = info.hwaddr(address).filter(|found| !found.is_io());
            counter.count(
                counter.cpu(address),
                arena,
                physical.map(|found| found.hwaddr()),
            );
        }
        Place::Mark(mark) if info.is_store() => {
            if let Err(error) = counter.write(mark) {
                eprintln!("tackle-plugin: {error:#}");
            }
        }
        Place::Cpu(cpu) if info.is_store() => counter.named(cpu),
        Place::Mark(_) | Place::Cpu(_) => {}
    }
}

/// Registers callbacks for a block of instructions. QEMU calls this for each block that it
/// translates.
extern "C" fn translated(_: PluginId, block: *mut qemu_plugin_tb) {
    let block = TranslationBlock::from(block);
    if block.vaddr() >= USER_END {
        return;
    }
    for instruction in block.instructions() {
        let both = qemu_plugin_mem_rw::QEMU_PLUGIN_MEM_RW;
        let registers = CallbackFlags::QEMU_PLUGIN_CB_R_REGS;
        instruction.register_memory_access_callback_flags(accessed, both, registers);
    }
}

/// Looks up the register. QEMU calls this for each CPU when the CPU is ready, since it does not
/// list registers before that.
extern "C" fn ready(_: PluginId, _: VCPUIndex) {
    let registers = qemu_plugin_get_registers().unwrap_or_default();
    let mut registers = registers.into_iter();
    match registers.find(|register| register.name == REGISTER_NAME) {
        // The registers of the first CPU are those of all CPUs.
        Some(register) => drop(REGISTER.set(register)),
        None => eprintln!("tackle-plugin: no register {REGISTER_NAME}"),
    }
}

/// The plug-in as registered with QEMU.
struct Installer;

impl HasCallbacks for Installer {}

impl Register for Installer {
    /// Registers only the callbacks that are needed, instead of callbacks for everything.
    fn register_default(&mut self, id: PluginId, args: &Args, info: &Info) -> Result<()> {
        let system = info.system.as_ref().context("this is no whole machine")?;
        let counter = Counter::new(&args.raw)?;
        let (cpus, known) = (system.smp_vcpus, counter.layout.cpus.len());
        ensure!(cpus == known as i64, "{cpus} CPUs, but cpus= has {known}");
        ensure!(COUNTER.set(counter).is_ok(), "installed twice");
        qemu_plugin_register_vcpu_init_cb(id, Some(ready))?;
        qemu_plugin_register_vcpu_tb_trans_cb(id, Some(translated))?;
        Ok(())
    }
}

impl Plugin for Installer {}

/// Sets the plug-in. This runs after QEMU has loaded the library and before QEMU installs the
/// plug-in.
#[ctor]
fn loaded() {
    // The library is loaded only once, so the value is not set yet.
    let _ = PLUGIN.set(Mutex::new(Box::new(Installer)));
}
