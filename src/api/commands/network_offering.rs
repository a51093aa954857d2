//! See `commands/mod.rs`.
#[allow(unused_imports, reason = "no command here yet")]
use crate::prelude::*;

pub(crate) fn register(_: &mut Registry) {}
