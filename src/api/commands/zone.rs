//! See `commands/mod.rs`.
use crate::prelude::*;

pub(crate) fn register(_: &mut Registry) {}
