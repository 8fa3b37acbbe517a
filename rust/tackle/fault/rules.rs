// SPDX-License-Identifier: GPL-2.0

//! Implements the table of functions that can be made to fail, and how each fails.
//!
//! Each entry was checked against the kernel's source: the function has no effect before it can
//! fail in this way, and its callers have to expect the failure. Signatures depend on the kernel's
//! configuration. So the index of the `gfp_t` argument is computed from the configuration, and
//! `prepare.rs` compares it with BTF if the kernel has that.

use core::fmt;
use kernel::prelude::*;
use tackle_core::{fault::Value, hooks::Returns};

/// How a call fails.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Failure {
    /// The function returns this value without running.
    Returns(Value),
    /// The bio that is submitted completes with an error status.
    Submit,
    /// The bio that completes gets an error status.
    Complete,
}

/// A function that can be made to fail.
pub(super) struct Rule {
    pub(super) name: &'static CStr,
    pub(super) class: &'static str,
    pub(super) failure: Failure,
    /// The return type, which is compared with BTF; [`None`] for `void`.
    pub(super) returns: Option<Returns>,
    /// The index of the argument of the type `gfp_t`. Its flags may forbid the call to fail.
    pub(super) gfp: Option<usize>,
    /// The index of the argument `order`.
    pub(super) order: Option<usize>,
    /// The index of the new size of a reallocation: with 0 the call frees, and cannot fail.
    pub(super) new_size: Option<usize>,
}

/// The number of arguments that `DECL_BUCKET_PARAMS()` adds after the size
/// (`include/linux/slab.h`).
const BUCKET: usize = cfg!(CONFIG_SLAB_BUCKETS) as usize;
/// The number of arguments that `DECL_TOKEN_PARAM()` adds.
const TOKEN: usize = cfg!(CONFIG_KMALLOC_PARTITION_CACHES) as usize;

/// Returns the rule of an allocator that returns null when it fails. `gfp` is the index of its
/// `gfp_t` argument.
const fn allocates(class: &'static str, name: &'static CStr, gfp: usize) -> Rule {
    Rule {
        name,
        class,
        failure: Failure::Returns(Value::Null),
        returns: Some(Returns::Pointer),
        gfp: Some(gfp),
        order: None,
        new_size: None,
    }
}

/// All functions with a rule.
pub(super) const RULES: &[Rule] = &[
    // mm/slub.c
    allocates("slab", c"__kmalloc_noprof", 1 + TOKEN),
    allocates("slab", c"__kmalloc_node_noprof", 1 + BUCKET + TOKEN),
    allocates("slab", c"__kmalloc_cache_noprof", 1),
    allocates("slab", c"__kmalloc_cache_node_noprof", 1),
    allocates(
        "slab",
        c"__kmalloc_node_track_caller_noprof",
        1 + BUCKET + TOKEN,
    ),
    allocates("slab", c"__kmalloc_large_noprof", 1),
    allocates("slab", c"__kmalloc_large_node_noprof", 1),
    allocates("slab", c"kmem_cache_alloc_noprof", 1),
    allocates("slab", c"kmem_cache_alloc_lru_noprof", 2),
    allocates("slab", c"kmem_cache_alloc_node_noprof", 1),
    Rule {
        failure: Failure::Returns(Value::Bool(false)),
        returns: Some(Returns::Bool),
        ..allocates("slab", c"kmem_cache_alloc_bulk_noprof", 1)
    },
    allocates("slab", c"__kvmalloc_node_noprof", 2 + BUCKET + TOKEN),
    // When these fail, the old memory remains valid and unchanged.
    Rule {
        new_size: Some(1),
        ..allocates("slab", c"krealloc_node_align_noprof", 3 + TOKEN)
    },
    Rule {
        new_size: Some(1),
        ..allocates("slab", c"kvrealloc_node_align_noprof", 3 + TOKEN)
    },
    // mm/page_alloc.c
    Rule {
        order: Some(1),
        ..allocates("pages", c"__alloc_frozen_pages_noprof", 0)
    },
    // mm/vmalloc.c
    allocates("vmalloc", c"__vmalloc_node_range_noprof", 4),
    // mm/percpu.c
    allocates("percpu", c"pcpu_alloc_noprof", 3),
    // net/core/skbuff.c
    allocates("skb", c"__alloc_skb", 1),
    allocates("skb", c"skb_clone", 1),
    Rule {
        failure: Failure::Returns(Value::Number(-12)),
        returns: Some(Returns::Signed(4)),
        ..allocates("skb", c"pskb_expand_head", 3)
    },
    // block/blk-core.c
    Rule {
        failure: Failure::Submit,
        returns: None,
        gfp: None,
        ..allocates("bio_submit", c"submit_bio_noacct", 0)
    },
    // block/bio.c
    Rule {
        failure: Failure::Complete,
        returns: None,
        gfp: None,
        ..allocates("bio_complete", c"bio_endio", 0)
    },
];

/// Functions that must not fail, and why.
pub(super) const NEVER: &[(&str, &str)] = &[
    (
        "kmem_cache_alloc_from_sheaf_noprof",
        "its callers have reserved the object",
    ),
    (
        "mempool_alloc_noprof",
        "it never fails with direct reclaim; the allocations within it can",
    ),
    (
        "mempool_alloc",
        "it never fails with direct reclaim; the allocations within it can",
    ),
];

/// The classes, in the order of the table.
pub(super) const CLASSES: [&str; 7] = [
    "slab",
    "pages",
    "vmalloc",
    "percpu",
    "skb",
    "bio_submit",
    "bio_complete",
];

/// Writes the table: `CLASS FUNCTION FAILURE` in each line.
pub fn show_rules(f: &mut dyn fmt::Write) -> fmt::Result {
    for rule in RULES {
        let name = rule.name.to_str().map_err(|_| fmt::Error)?;
        write!(f, "{} {name} ", rule.class)?;
        match rule.failure {
            Failure::Returns(value) => f.write_fmt(format_args!("{value}\n"))?,
            Failure::Submit | Failure::Complete => f.write_str("status\n")?,
        }
    }
    Ok(())
}
