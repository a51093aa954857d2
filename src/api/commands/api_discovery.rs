//! `listApis`. Its answer comes from the registry itself, so the door answers it; the declaration is for its own entry.
use crate::declare::{FieldMeta, Record};
use crate::prelude::*;

/// The shape of the answer, which `discovery.rs` writes: there is no such row.
enum Api {}

const fn field(name: &'static str, kind: &'static str, description: &'static str) -> FieldMeta {
    FieldMeta { name, description, kind, fields: Vec::new }
}

/// What is told of a parameter.
fn parameter() -> Vec<FieldMeta> {
    vec![
        field("name", "string", "the name of the parameter"),
        field("description", "string", "what it says"),
        field("type", "string", "what it takes"),
        field("length", "integer", "how many characters it takes at most"),
        field("required", "boolean", "whether it must be given"),
        field("since", "string", "the version that it came with"),
        field("related", "string", "the commands that answer with what it names"),
    ]
}

/// What is told of a field of an answer.
fn answer() -> Vec<FieldMeta> {
    vec![
        field("name", "string", "the name of the field"),
        field("description", "string", "what it says"),
        field("type", "string", "what it holds"),
        FieldMeta { fields: answer, ..field("response", "list", "the fields of a record") },
    ]
}

impl Record for Api {
    fn fields() -> Vec<FieldMeta> {
        vec![
            field("name", "string", "the name of the command"),
            field("description", "string", "what it does"),
            field("since", "string", "the version that it came with"),
            field("isasync", "boolean", "whether it answers with a job"),
            field("related", "string", "the commands that answer with the same kind of thing"),
            FieldMeta { fields: parameter, ..field("params", "list", "its parameters") },
            FieldMeta { fields: answer, ..field("response", "list", "the fields of its answer") },
            field("type", "string", "what a field holds; told of fields only"),
        ]
    }
    fn entries(&self, _: &mut Vec<u8>) {
        match *self {}
    }
    fn tree(&self) -> serde_json::Value {
        match *self {}
    }
}

/// Lists the commands that the caller may run, with their parameters and answers.
#[derive(Command)]
#[command(name = "listApis", roles = "all", answer = "api", view = Api)]
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
