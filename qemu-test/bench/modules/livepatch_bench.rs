// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch of functions of `bench_others`, which logs the time for enabling it.
//! `livepatch_bench_c.c` is the same in C.
//!
//! ```sh
//! insmod bench_others.ko
//! insmod livepatch_bench.ko functions=100
//! ```

#![forbid(unsafe_code)]
#![recursion_limit = "256"]

use kernel::{
    macros::paste,
    prelude::*,
    time::{Instant, Monotonic},
};
use tackle::{function::Replaceable, livepatch::Original};

tackle::module! {
    type: LivepatchBench,
    name: "livepatch_bench",
    authors: ["The Tackle developers"],
    description: "A live patch that is measured",
    license: "GPL",
    params: {
        functions: u32 {
            default: 1,
            description: "How many functions to patch, 1 or 100",
        },
    },
}
tackle::modinfo!("livepatch=Y");

/// Declares the functions with these numbers, a patch of the first function, and a patch of all.
macro_rules! patches {
    ($first:literal $($rest:literal)*) => {
        patches!(functions $first $($rest)*);
        paste! {
            tackle::patch! {
                static ONE;
                objects: [{
                    module: c"bench_others",
                    functions: [[<Other $first>] => patched::<[<Other $first>]>],
                }],
            }
            tackle::patch! {
                static ALL;
                objects: [{
                    module: c"bench_others",
                    functions: [
                        [<Other $first>] => patched::<[<Other $first>]>,
                        $([<Other $rest>] => patched::<[<Other $rest>]>,)*
                    ],
                }],
            }
        }
    };
    (functions $($number:literal)*) => {
        paste! {
            tackle::header! {
                mod others_h = "qemu-test/bench/modules/bench_others";
                $([<Other $number>]: fn [<bench_other_ $number>](u32) -> u32, replaceable;)*
            }
        }
    };
}

patches! {
    000 001 002 003 004 005 006 007 008 009
    010 011 012 013 014 015 016 017 018 019
    020 021 022 023 024 025 026 027 028 029
    030 031 032 033 034 035 036 037 038 039
    040 041 042 043 044 045 046 047 048 049
    050 051 052 053 054 055 056 057 058 059
    060 061 062 063 064 065 066 067 068 069
    070 071 072 073 074 075 076 077 078 079
    080 081 082 083 084 085 086 087 088 089
    090 091 092 093 094 095 096 097 098 099
}

fn patched<F: Replaceable>(_: Original<'_, F>, n: u32) -> u32 {
    n
}

struct LivepatchBench;

impl kernel::Module for LivepatchBench {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let patch = match module_parameters::functions.value() {
            1 => &ONE,
            100 => &ALL,
            _ => return Err(EINVAL),
        };
        let start = Instant::<Monotonic>::now();
        patch.enable(module, false)?;
        let took = start.elapsed().as_nanos();
        pr_info!("klp_enable_patch() took {took} ns\n");
        Ok(Self)
    }
}
