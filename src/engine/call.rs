use crate::Engine;
use std::ops::Deref;
use std::sync::Arc;
use stratus_model::{Caller, Micros};

/// One call on its way through the engine: who asks, by which command, inside which job.
#[derive(Clone)]
pub struct Call {
    engine: Arc<Engine>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// The native command, as in the catalogue; for the log.
    pub command: &'static str,
    /// The event type that the command's declaration names, `VM.STOP`.
    pub event: Option<&'static str>,
    /// The job that carries this call out, once it runs in one.
    pub job: Option<i64>,
}

impl Call {
    /// A call outside a job.
    pub fn new(engine: Arc<Engine>, caller: Arc<Caller>, command: &'static str, event: Option<&'static str>) -> Self {
        Self { engine, caller, command, event, job: None }
    }
    /// The same call inside a job.
    pub fn in_job(mut self, job: i64) -> Self {
        self.job = Some(job);
        self
    }
    /// The engine, to keep.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
    /// Now.
    pub fn now(&self) -> Micros {
        self.engine.clock.now()
    }
}

/// A call is used where the engine is: `call.vm_stop(&call, …)` reads as it should.
impl Deref for Call {
    type Target = Engine;
    fn deref(&self) -> &Engine {
        &self.engine
    }
}
