//! stub
pub mod simulate;
