// SPDX-License-Identifier: GPL-2.0

//! Measures the memory that the modules under test hold, to find memory that they do not free.
//!
//! With `slab_debug=U` on the kernel's command line, the file `alloc_traces` of each slab cache
//! (`mm/slub.c`) has the stacks that allocated the cache's objects. An object counts if its stack
//! has the name of a module under test, or an address without a name, which belongs to an unloaded
//! module. Reading the files of all caches takes seconds, so only those of caches that have grown
//! are read. What the modules held in a cache is known only after the first time that it has
//! grown.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::files;
use crate::roots::Roots;

/// Numbers of objects or bytes, by the stack that allocated them.
type Holders = BTreeMap<String, u64>;

/// The memory in use at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Objects in use, by slab cache.
    active: BTreeMap<String, u64>,
    /// Objects of the modules by slab cache and stack, for the caches that were read.
    slabs: BTreeMap<String, Holders>,
    /// Bytes of `vmalloc()`, by caller.
    vmalloc: Holders,
    /// Memory of per-CPU variables, in KiB.
    percpu: u64,
    /// Memory in use that no counter of the kernel includes, in KiB, such as pages of a module.
    uncounted: u64,
}

/// The memory that has grown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grown {
    /// Memory that the modules hold now and did not hold before, one line for each stack.
    pub lines: Vec<String>,
    /// Whether a cache has grown that was not read before, so that it is not known what the
    /// modules held in it. The operation must be repeated and compared again.
    pub unsure: bool,
}

/// Growth of uncounted memory above this many KiB is a leak. Other parts of the kernel allocate
/// and free pages all the time.
const UNCOUNTED: u64 = 640;

/// Slab caches whose objects are freed late: freed areas of `vmalloc()` are collected until there
/// are many (`mm/vmalloc.c`).
const LAZY: &[&str] = &["vmap_area"];

/// A function that allocates objects for a per-CPU pool, from which any task takes them
/// (`lib/radix-tree.c`).
const POOL: &str = "__radix_tree_preload+";

/// A part of the mangled names of the injector's own code in `tackle_ftrace.ko`, which allocates
/// memory for the names of points.
const INJECTOR: &str = "6tackle5fault";

/// Selects the stacks that count, by the names of the modules under test.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a>(pub &'a [String]);

impl Filter<'_> {
    /// Returns whether a frame is in a module under test, or in an unloaded module.
    pub fn is_ours(&self, frame: &str) -> bool {
        let frame = frame.trim();
        let of_module = |module: &String| frame.contains(&format!("[{module}]"));
        frame.starts_with("0xffffffffc") || self.0.iter().any(of_module)
    }
}

/// Returns whether leaks of slab objects can be found on this machine.
pub fn has_stacks(roots: &Roots) -> bool {
    traces(roots, "kmalloc-64").exists()
}

/// Makes SLUB check all objects of the caches of `kmalloc()`, so that it reports writes to freed
/// objects now. Otherwise SLUB would report them only when the object is allocated again.
///
/// # Errors
/// Returns an error if the folder of the caches cannot be read.
pub fn validate(roots: &Roots) -> Result<()> {
    let caches = roots.sys.join("kernel/slab");
    for name in files::names(&caches)? {
        if name.starts_with("kmalloc-") {
            // The kernel refuses this without `slab_debug=`, since then it cannot check anything.
            let _ = files::write(&caches.join(name).join("validate"), "1");
        }
    }
    Ok(())
}

impl Memory {
    /// Returns the memory that the modules hold now.
    ///
    /// # Errors
    /// Returns an error if a file exists and cannot be read.
    pub fn now(roots: &Roots, modules: &[String]) -> Result<Self> {
        settle(roots);
        let filter = Filter(modules);
        let read = |name: &str| -> Result<String> {
            Ok(files::read(&roots.proc.join(name))?.unwrap_or_default())
        };
        let meminfo = read("meminfo")?;
        Ok(Self {
            active: active(&read("slabinfo")?),
            slabs: BTreeMap::new(),
            vmalloc: vmalloc(&read("vmallocinfo")?, filter),
            percpu: kib(&meminfo, "Percpu"),
            uncounted: uncounted(&meminfo, &read("zoneinfo")?),
        })
    }

    /// Copies the objects by stack from `older`, for each slab cache whose size is the same now.
    pub fn keep(&mut self, older: Self) {
        let is_same = |cache: &String| self.active.get(cache) == older.active.get(cache);
        self.slabs = older
            .slabs
            .into_iter()
            .filter(|(cache, _)| is_same(cache))
            .collect();
    }

    /// Returns how much the memory has grown since `self` was recorded.
    ///
    /// # Errors
    /// Returns an error if a file exists and cannot be read.
    pub fn grown(&mut self, roots: &Roots, modules: &[String]) -> Result<Grown> {
        let now = Self::now(roots, modules)?;
        let mut grown = Grown::default();
        for (cache, count) in &now.active {
            if LAZY.contains(&cache.as_str())
                || *count <= self.active.get(cache).copied().unwrap_or(0)
            {
                continue;
            }
            let text = files::read(&traces(roots, cache))?.unwrap_or_default();
            let held = holders(&text, Filter(modules));
            match self.slabs.get(cache) {
                Some(old) => grown
                    .lines
                    .extend(more(old, &held, &format!("objects of {cache}"))),
                None => {
                    grown.unsure |= !held.is_empty();
                    self.slabs.insert(cache.clone(), held);
                    self.active.insert(cache.clone(), *count);
                }
            }
        }
        grown
            .lines
            .extend(more(&self.vmalloc, &now.vmalloc, "bytes of vmalloc"));
        if now.percpu > self.percpu {
            let more = now.percpu - self.percpu;
            grown.lines.push(format!("{more} KiB of per-CPU memory"));
        }
        if now.uncounted > self.uncounted + UNCOUNTED {
            let more = now.uncounted - self.uncounted;
            grown.lines.push(format!("{more} KiB of pages"));
        }
        Ok(grown)
    }
}

/// Makes the kernel free the objects that wait for an RCU grace period.
fn settle(roots: &Roots) {
    let barrier = roots.sys.join("module/rcutree/parameters/do_rcu_barrier");
    // An older kernel has no such file. Then objects that wait to be freed are in the first
    // comparison only, and not in the repeated ones.
    let _ = files::write(&barrier, "1");
}

fn traces(roots: &Roots, cache: &str) -> std::path::PathBuf {
    let folder: &Path = &roots.debugfs().join("slab").join(cache);
    folder.join("alloc_traces")
}

/// Returns a line for each stack that holds more in `new` than in `old`; none if the sum over all
/// stacks has not grown.
fn more(old: &Holders, new: &Holders, unit: &str) -> Vec<String> {
    if new.values().sum::<u64>() <= old.values().sum() {
        return Vec::new();
    }
    let grown = new.iter().filter_map(|(stack, count)| {
        let more = count.checked_sub(old.get(stack).copied().unwrap_or(0))?;
        (more > 0).then(|| format!("{more} {unit}: {stack}"))
    });
    grown.collect()
}

/// Returns the objects in the text of `alloc_traces` that the modules allocated, by stack.
fn holders(text: &str, filter: Filter<'_>) -> Holders {
    let mut all = Holders::new();
    let mut current: Option<(u64, Vec<&str>)> = None;
    let mut take = |current: Option<(u64, Vec<&str>)>| {
        let Some((count, frames)) = current else {
            return;
        };
        let is_of_others = |frame: &&str| frame.starts_with(POOL) || frame.contains(INJECTOR);
        if !frames.iter().any(is_of_others) && frames.iter().any(|frame| filter.is_ours(frame)) {
            let shown = frames
                .iter()
                .take(8)
                .copied()
                .collect::<Vec<_>>()
                .join(" < ");
            *all.entry(shown).or_default() += count;
        }
    };
    for line in text.lines() {
        let words = line.trim_start();
        let first = words.split_whitespace().next().unwrap_or_default();
        // The first line of an entry is "      3 zram_add+0x1f/0x2b0 [zram] age=1/2/3 pid=7". One
        // line for each frame follows.
        match first.parse() {
            Ok(count) => {
                take(current.take());
                let place = words[first.len()..]
                    .split(" age=")
                    .next()
                    .unwrap_or_default();
                let place = place.split(" waste=").next().unwrap_or_default();
                current = Some((count, vec![place.trim()]));
            }
            Err(_) if !first.is_empty() => {
                if let Some((_, frames)) = &mut current {
                    frames.push(words.trim_end());
                }
            }
            Err(_) => {}
        }
    }
    take(current);
    all
}

fn active(slabinfo: &str) -> BTreeMap<String, u64> {
    let cache = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    slabinfo.lines().filter_map(cache).collect()
}

/// Returns the bytes of the modules in `/proc/vmallocinfo`, whose lines are
/// `0xffffc90000000000-0xffffc90000005000   20480 zram_add+0x1/0x2 [zram] pages=4 vmalloc`.
fn vmalloc(text: &str, filter: Filter<'_>) -> Holders {
    let mut all = Holders::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1);
        let Some(size) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
            continue;
        };
        let caller: Vec<_> = words.take_while(|word| !word.contains('=')).collect();
        let caller = caller.join(" ");
        if filter.is_ours(&caller) {
            *all.entry(caller).or_default() += size;
        }
    }
    all
}

/// Returns a value of `/proc/meminfo`, in KiB.
fn kib(meminfo: &str, name: &str) -> u64 {
    let line = meminfo
        .lines()
        .find(|line| line.split(':').next() == Some(name));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Returns the memory in use that no counter of `/proc/meminfo` includes, in KiB.
fn uncounted(meminfo: &str, zoneinfo: &str) -> u64 {
    const COUNTED: &[&str] = &[
        "MemFree",
        "Active",
        "Inactive",
        "Unevictable",
        "Slab",
        "KernelStack",
        "PageTables",
        "SecPageTables",
        "Percpu",
        "VmallocUsed",
    ];
    // The free pages in the lists of each CPU: "              count:    12".
    let kept = zoneinfo
        .lines()
        .filter_map(|line| line.trim().strip_prefix("count:"));
    let kept: u64 = kept
        .filter_map(|word| word.trim().parse::<u64>().ok())
        .sum();
    let counted: u64 = COUNTED.iter().map(|name| kib(meminfo, name)).sum();
    kib(meminfo, "MemTotal").saturating_sub(counted + 4 * kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACES: &str = "     10 __alloc_workqueue+0x1/0x2 age=1 pid=1\n\
        \x20       __kmalloc_noprof+0x3/0x4\n\
        \x20       __alloc_workqueue+0x1/0x2\n\n\
        \x20     2 zram_add+0x1f/0x2b0 [zram] waste=64/32 age=1/2/3 pid=7 cpus=0-1\n\
        \x20       __kmalloc_noprof+0x3/0x4\n\
        \x20       zram_add+0x1f/0x2b0 [zram]\n\n\
        \x20     1 0xffffffffc0a01234 age=9 pid=7\n";

    #[test]
    fn objects_of_the_module_and_of_those_that_are_gone_count() {
        let modules = ["zram".to_owned()];
        let found = holders(TRACES, Filter(&modules));
        let shown: Vec<_> = found
            .iter()
            .map(|(stack, count)| (stack.as_str(), *count))
            .collect();
        assert_eq!(
            shown,
            [
                ("0xffffffffc0a01234", 1),
                (
                    "zram_add+0x1f/0x2b0 [zram] < __kmalloc_noprof+0x3/0x4 < \
                     zram_add+0x1f/0x2b0 [zram]",
                    2
                ),
            ]
        );
        assert!(holders("No data\n", Filter(&modules)).is_empty());
    }

    #[test]
    fn growth_is_named_and_exchange_is_none() {
        let holders = |pairs: &[(&str, u64)]| -> Holders {
            pairs
                .iter()
                .map(|(stack, count)| ((*stack).to_owned(), *count))
                .collect()
        };
        let old = holders(&[("a", 2), ("b", 1)]);
        assert!(more(&old, &holders(&[("a", 1), ("c", 2)]), "x").is_empty());
        assert_eq!(
            more(&old, &holders(&[("a", 3), ("b", 1)]), "objects"),
            ["1 objects: a"]
        );
    }

    #[test]
    fn only_caches_that_have_grown_are_read_and_then_known() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let slabinfo = "slabinfo - version: 2.1\n# name\nkmalloc-64 10 20 64 64 1\nx 1 1 8\n";
        put("proc/slabinfo", slabinfo);
        put(
            "proc/meminfo",
            "Percpu:  100 kB\nMemTotal: 9000 kB\nMemFree: 8900 kB\n",
        );
        put(
            "proc/vmallocinfo",
            "0x1-0x2 8192 zram_add+0x1/0x2 [zram] pages=1 vmalloc\n",
        );
        put("sys/kernel/debug/slab/kmalloc-64/alloc_traces", "No data\n");
        let modules = ["zram".to_owned()];
        assert!(has_stacks(&roots));
        let mut memory = Memory::now(&roots, &modules).unwrap();
        let traces = "sys/kernel/debug/slab/kmalloc-64/alloc_traces";
        put(traces, TRACES);
        // No cache has grown.
        assert_eq!(memory.grown(&roots, &modules).unwrap(), Grown::default());
        put(
            "proc/slabinfo",
            &slabinfo.replace("kmalloc-64 10", "kmalloc-64 13"),
        );
        put(
            "proc/meminfo",
            "Percpu:  108 kB\nMemTotal: 9000 kB\nMemFree: 7000 kB\n",
        );
        put(
            "proc/vmallocinfo",
            "0x1-0x2 12288 zram_add+0x1/0x2 [zram] pages=2 vmalloc\n",
        );
        let grown = memory.grown(&roots, &modules).unwrap();
        assert!(grown.unsure, "{grown:?}");
        assert_eq!(
            grown.lines,
            [
                "4096 bytes of vmalloc: zram_add+0x1/0x2 [zram]",
                "8 KiB of per-CPU memory",
                "1892 KiB of pages",
            ]
        );
        let mut memory = Memory::now(&roots, &modules).unwrap();
        memory
            .slabs
            .insert("kmalloc-64".into(), holders(TRACES, Filter(&modules)));
        put(
            "proc/slabinfo",
            &slabinfo.replace("kmalloc-64 10", "kmalloc-64 14"),
        );
        assert!(memory.grown(&roots, &modules).unwrap().lines.is_empty());
        put(
            traces,
            &TRACES.replace("     2 zram_add", "     3 zram_add"),
        );
        let grown = memory.grown(&roots, &modules).unwrap();
        assert!(!grown.unsure && grown.lines.len() == 1, "{grown:?}");
        assert!(
            grown.lines[0].starts_with("1 objects of kmalloc-64: zram_add"),
            "{grown:?}"
        );
        let mut next = Memory::now(&roots, &modules).unwrap();
        next.keep(memory);
        assert!(next.slabs.is_empty(), "the cache has changed");
    }

    #[test]
    fn free_pages_of_the_cpus_are_counted() {
        let meminfo = "MemTotal: 1000 kB\nMemFree: 500 kB\nSlab: 100 kB\n";
        let zoneinfo = "Node 0, zone DMA\n  pagesets\n    cpu: 0\n              count:    25\n";
        assert_eq!(uncounted(meminfo, zoneinfo), 300);
    }
}
