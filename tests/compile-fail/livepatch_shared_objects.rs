// SPDX-License-Identifier: GPL-2.0

//! Two patches that share their objects.

#![forbid(unsafe_code)]

use tackle::livepatch::{Funcs, Object, Objects, Patch, States};

static FUNCS: Funcs<0> = Funcs::new(None, []);
static OBJECTS: Objects<1> = Objects::new([Object::new(&FUNCS)]); //~ ERROR call to unsafe function
static STATES: States<0> = States::new([]);

pub static ONE: Patch = Patch::new(&OBJECTS, &STATES); //~ ERROR call to unsafe function
pub static TWO: Patch = Patch::new(&OBJECTS, &STATES); //~ ERROR call to unsafe function
