//! Stands in for what is not merged yet.
#![allow(missing_docs)]
pub mod stratus_ec2 {
    pub fn router(_: std::sync::Arc<stratus_api::Door>) -> axum::Router {
        axum::Router::new()
    }
}
pub mod simulate {
    use std::sync::Arc;
    use stratus_engine::Engine;
    pub async fn built_in(_: &Arc<Engine>) -> anyhow::Result<()> {
        Ok(())
    }
    pub async fn file(_: &Arc<Engine>, _: &std::path::Path) -> anyhow::Result<()> {
        Ok(())
    }
}
pub mod check {
    pub async fn run(_: &std::sync::Arc<stratus_engine::Engine>) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }
}
