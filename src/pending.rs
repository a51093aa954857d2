//! Stands in for the doors until they are merged.
#![allow(missing_docs)]
pub mod stratus_api {
    use axum::Router;
    use std::sync::Arc;
    use stratus_engine::{Engine, Execute};
    pub struct Door(#[allow(dead_code)] Arc<Engine>);
    struct NoExecute;
    #[async_trait::async_trait]
    impl Execute for NoExecute {
        async fn execute(&self, _: Arc<Engine>, _: Arc<stratus_model::Caller>, _: &stratus_store::Job) -> stratus_model::Result<String> {
            Err(stratus_model::Error::internal("no door"))
        }
    }
    impl Door {
        pub fn new(e: Arc<Engine>) -> Arc<Self> {
            Arc::new(Self(e))
        }
        pub fn router(self: &Arc<Self>) -> Router {
            Router::new()
        }
        pub fn integration_router(self: &Arc<Self>) -> Router {
            Router::new()
        }
        pub fn executor(self: &Arc<Self>) -> Arc<dyn Execute> {
            Arc::new(NoExecute)
        }
    }
}
pub mod stratus_ec2 {
    pub fn router(_: std::sync::Arc<super::stratus_api::Door>) -> axum::Router {
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
