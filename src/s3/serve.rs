//! The door as routes.
use crate::respond::{self, Answer};
use crate::{Door, Fault};
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything below `prefix` (empty at a port of its own).
pub fn router(door: Arc<Door>, prefix: &'static str) -> Router {
    Router::new().fallback(take).with_state((door, prefix))
}

async fn take(State((door, prefix)): State<(Arc<Door>, &'static str)>, request: Request) -> Answer {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    // In a task of its own: a client that hangs up must not stop a write between its file and its row.
    let work = tokio::spawn(door.answer(head, body, prefix, peer));
    match work.await {
        Ok(answer) => answer,
        Err(e) => {
            tracing::error!(error = %e, "an S3 request panicked");
            respond::fault(&Fault::new("InternalError", "An internal error has occurred"), false, &path, "-")
        }
    }
}
