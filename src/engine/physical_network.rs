//! x
/// t
pub const TRAFFIC_TYPES: &[&str] = &["Guest", "Management", "Public", "Storage", "Control"];
