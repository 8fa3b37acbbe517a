// SPDX-License-Identifier: GPL-2.0

//! Measures the memory of the kernel, by slab cache, to find leaks of modules.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::debugfs;

/// A cache of `/proc/slabinfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Objects in use.
    pub active: u64,
    /// Size of an object, in bytes.
    pub size: u64,
}

/// A snapshot of the kernel's memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The slab caches by name.
    pub caches: BTreeMap<String, Cache>,
    /// Memory of `vmalloc()`, in bytes.
    pub vmalloc: u64,
    /// Memory of per-processor variables, in bytes.
    pub percpu: u64,
}

/// The file that waits for all callbacks of `call_rcu()`. C source: `kernel/rcu/tree.c`.
const RCU_BARRIER: &str = "/sys/module/rcutree/parameters/do_rcu_barrier";

/// Makes all caches free slabs without an object in use.
fn shrink() -> Result<()> {
    for entry in fs::read_dir("/sys/kernel/slab").context("no /sys/kernel/slab")? {
        let entry = entry?;
        // A symbolic link is another name of a cache, which has a folder of its own.
        if !entry.file_type()?.is_symlink() {
            debugfs::set(entry.path().join("shrink"), "1")?;
        }
    }
    Ok(())
}

impl Memory {
    /// Takes a snapshot. Before that, the kernel frees memory that it only caches, because free
    /// objects in partial slabs could count as used.
    ///
    /// # Errors
    ///
    /// A file of the kernel cannot be read or written.
    pub fn now() -> Result<Self> {
        // Wait until the kernel's workers have freed memory.
        sleep(Duration::from_secs(1));
        debugfs::set("/proc/sys/vm/drop_caches", "3")?;
        // Inodes are freed after a grace period. Shrinking can itself cause objects to be freed
        // after a grace period, so do it twice.
        for _ in 0..2 {
            debugfs::set(RCU_BARRIER, "1")?;
            shrink()?;
        }
        let meminfo = debugfs::read("/proc/meminfo")?;
        Ok(Self {
            caches: parse_slabinfo(&debugfs::read("/proc/slabinfo")?),
            vmalloc: parse_meminfo(&meminfo, "VmallocUsed")?,
            percpu: parse_meminfo(&meminfo, "Percpu")?,
        })
    }

    /// Returns the bytes in all caches.
    pub fn slab(&self) -> u64 {
        let bytes = |cache: &Cache| cache.active * cache.size;
        self.caches.values().map(bytes).sum()
    }
}

/// Returns the caches that gained at least `least` objects between each snapshot and the next one.
/// A leak grows with every round, while a cache that only fills up stops growing.
pub fn growing(moments: &[Memory], least: u64) -> Vec<String> {
    let Some(first) = moments.first() else {
        return Vec::new();
    };
    let steps = |name: &str| -> Vec<u64> {
        let active = |memory: &Memory| memory.caches.get(name).map_or(0, |cache| cache.active);
        moments
            .windows(2)
            .map(|pair| active(&pair[1]).saturating_sub(active(&pair[0])))
            .collect()
    };
    first
        .caches
        .keys()
        .map(|name| (name, steps(name)))
        .filter(|(_, steps)| steps.iter().all(|step| *step >= least))
        .map(|(name, steps)| format!("{name} {steps:?}"))
        .collect()
}

fn parse_slabinfo(text: &str) -> BTreeMap<String, Cache> {
    let cache = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let cache = Cache {
            active: words.get(1)?.parse().ok()?,
            size: words.get(3)?.parse().ok()?,
        };
        Some((words[0].to_string(), cache))
    };
    text.lines().filter_map(cache).collect()
}

/// Returns a value of `/proc/meminfo`, in bytes.
fn parse_meminfo(text: &str, name: &str) -> Result<u64> {
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name))
        .with_context(|| format!("no {name} in /proc/meminfo"))?;
    let number = line.split_whitespace().nth(1).unwrap_or("");
    let kib: u64 = number
        .parse()
        .with_context(|| format!("{name} is '{number}'"))?;
    Ok(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(active: u64) -> Memory {
        let caches = BTreeMap::from([
            ("leaky".to_string(), Cache { active, size: 64 }),
            (
                "calm".to_string(),
                Cache {
                    active: 100 + active % 2,
                    size: 8,
                },
            ),
        ]);
        Memory {
            caches,
            ..Memory::default()
        }
    }

    #[test]
    fn only_a_cache_that_grows_every_time_is_suspected() {
        let moments = [memory(0), memory(31), memory(61)];
        assert_eq!(growing(&moments, 30), ["leaky [31, 30]"]);
        assert!(growing(&moments, 31).is_empty());
        assert!(growing(&[memory(5), memory(80), memory(80)], 30).is_empty());
    }

    #[test]
    fn slabinfo_and_meminfo() {
        let text = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize>\n\
                    kmalloc-64 10 20 64 64 1 : tunables 0 0 0\n";
        let caches = parse_slabinfo(text);
        assert_eq!(caches.len(), 1);
        assert_eq!(
            caches["kmalloc-64"],
            Cache {
                active: 10,
                size: 64
            }
        );
        let text = "VmallocTotal: 9 kB\nVmallocUsed:    12 kB\n";
        assert_eq!(parse_meminfo(text, "VmallocUsed").unwrap(), 12 << 10);
        assert!(parse_meminfo(text, "Percpu").is_err());
        assert_eq!(memory(2).slab(), 2 * 64 + 100 * 8);
    }
}
