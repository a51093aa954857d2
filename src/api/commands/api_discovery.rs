//! `listApis`. Its answer comes from the registry itself, so the door answers it; the declaration is for its own entry.
use crate::prelude::*;

/// Lists the commands that the caller may run, with their parameters and answers.
#[derive(Command)]
#[command(name = "listApis", roles = "all", answer = "api")]
pub struct ListApis {
    /// only the command of this name
    name: Option<String>,
}
impl Run for ListApis {
    async fn run(self, _: &Call) -> Result<Answer> {
        Err(Error::internal(format!("listApis is answered by the door ({:?})", self.name)))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListApis>();
}
