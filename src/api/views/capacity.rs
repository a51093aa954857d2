//! See `views/mod.rs`.
