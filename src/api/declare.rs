//! What a declaration is: the traits that the derive macros implement and the registry reads.
use crate::answer::Answer;
use crate::request::Given;
use serde::Serialize;
use std::collections::BTreeMap;
use stratus_engine::{Call, JobDraft, Topic};
use stratus_model::Result;
use stratus_store::{Boxed, Job};

/// A parameter as `listApis` shows it and the parser takes it.
#[derive(Debug, Clone)]
pub struct ParamMeta {
    pub name: &'static str,
    pub description: &'static str,
    /// The catalogue's type word.
    pub kind: &'static str,
    pub required: bool,
    /// Longest text taken, in characters.
    pub length: usize,
    pub since: Option<&'static str>,
}

/// A field of an answer as `listApis` shows it.
#[derive(Clone)]
pub struct FieldMeta {
    pub name: &'static str,
    pub description: &'static str,
    pub kind: &'static str,
    /// The fields of a nested record.
    pub fields: fn() -> Vec<FieldMeta>,
}

/// Runs a command.
pub type RunFn = for<'a> fn(&'a Call, Given) -> Boxed<'a, Answer>;
/// Makes the thing that an asynchronous create command answers with at once.
pub type CreateFn = for<'a> fn(&'a Call, Given, JobDraft) -> Boxed<'a, Created>;
/// Carries a create command on in its job.
pub type FinishFn = for<'a> fn(&'a Call, i64) -> Boxed<'a, Answer>;
/// Checks an asynchronous command's parameters and says what it works on.
pub type TopicFn = for<'a> fn(&'a Call, Given) -> Boxed<'a, Option<Topic>>;

/// How a command starts.
pub enum Start {
    /// It runs, at once or in a job.
    Run(RunFn),
    /// It makes something at once and goes on in a job.
    Create { create: CreateFn, finish: FinishFn },
}

/// Everything the registry knows of a command.
pub struct Meta {
    pub name: &'static str,
    pub description: &'static str,
    /// Sum of the role bits that may run it.
    pub roles: u8,
    /// Key of the object in the answer; none for a plain success.
    pub answer: Option<&'static str>,
    pub event: Option<&'static str>,
    /// The sentence of its events, for an asynchronous command.
    pub job: Option<&'static str>,
    /// The parameter that says what an asynchronous command works on.
    pub on: Option<&'static str>,
    /// Key of the response where it is not the command's name in lower case and `response`.
    pub wrapper: Option<&'static str>,
    pub since: Option<&'static str>,
    pub parameters: fn() -> Vec<ParamMeta>,
    pub response: Option<fn() -> Vec<FieldMeta>>,
    pub start: Start,
    pub topic: Option<TopicFn>,
}

impl Meta {
    /// The response's key.
    pub fn wrapper(&self) -> String {
        self.wrapper.map_or_else(|| format!("{}response", self.name.to_lowercase()), str::to_owned)
    }
}

/// A declared command.
pub trait Declared: Sized + Send + 'static {
    const META: Meta;
    fn parameters() -> Vec<ParamMeta>;
    fn parse(call: &Call, given: &mut Given) -> impl Future<Output = Result<Self>> + Send;
    fn topic(&self) -> Option<Topic>;
}

/// What a command does.
pub trait Run: Declared {
    /// Does it and answers.
    fn run(self, call: &Call) -> impl Future<Output = Result<Answer>> + Send;
}

/// A thing that was made together with the job that finishes it.
pub struct Created {
    pub job: Job,
    /// The thing's uuid.
    pub uuid: String,
}

/// What an asynchronous create command does.
pub trait Create: Declared {
    /// Makes the thing and its job in one transaction.
    fn create(self, call: &Call, job: JobDraft) -> impl Future<Output = Result<Created>> + Send;
    /// Goes on in the job; `id` is the thing's key.
    fn finish(call: &Call, id: i64) -> impl Future<Output = Result<Answer>> + Send;
}

pub fn run_of<T: Run>(call: &Call, mut given: Given) -> Boxed<'_, Answer> {
    Box::pin(async move { T::parse(call, &mut given).await?.run(call).await })
}
pub fn create_of<T: Create>(call: &Call, mut given: Given, job: JobDraft) -> Boxed<'_, Created> {
    Box::pin(async move { T::parse(call, &mut given).await?.create(call, job).await })
}
pub fn finish_of<T: Create>(call: &Call, id: i64) -> Boxed<'_, Answer> {
    Box::pin(T::finish(call, id))
}
pub fn topic_of<T: Declared>(call: &Call, mut given: Given) -> Boxed<'_, Option<Topic>> {
    Box::pin(async move { Ok(T::parse(call, &mut given).await?.topic()) })
}

/// A type that a parameter can have.
pub trait Parameter: Sized + Send {
    /// The catalogue's type word.
    const KIND: &'static str;
    /// Whether it must be given.
    const REQUIRED: bool = true;
    /// Takes the parameter out of what was given.
    fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> impl Future<Output = Result<Self>> + Send;
}

/// Parameters that several commands share.
pub trait Group: Sized + Send {
    fn parameters() -> Vec<ParamMeta>;
    fn parse(call: &Call, given: &mut Given) -> impl Future<Output = Result<Self>> + Send;
}

/// What a job is queued on: something that knows its owner and key.
pub trait AsTopic {
    fn topic(&self) -> Topic;
}

/// A record of an answer.
pub trait Record: Serialize {
    fn fields() -> Vec<FieldMeta>;
}

/// The fields of a record, for one that has them among its own.
pub fn entries<T: Record>(record: &T) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
    match serde_json::to_value(record)? {
        serde_json::Value::Object(map) => Ok(map),
        _ => Ok(serde_json::Map::new()),
    }
}

/// A type that a field can have.
pub trait Shown: Serialize {
    const KIND: &'static str;
    fn fields() -> Vec<FieldMeta> {
        Vec::new()
    }
    /// Whether the field is left out.
    fn absent(&self) -> bool {
        false
    }
}

macro_rules! shown {
    ($($t:ty => $k:literal),*) => { $(impl Shown for $t { const KIND: &'static str = $k; })* };
}
shown!(String => "string", i64 => "long", i32 => "integer", bool => "boolean", f64 => "float", BTreeMap<String, String> => "map", serde_json::Value => "object", crate::params::Date => "date");

impl<T: Shown> Shown for Option<T> {
    const KIND: &'static str = T::KIND;
    fn fields() -> Vec<FieldMeta> {
        T::fields()
    }
    fn absent(&self) -> bool {
        self.as_ref().is_none_or(Shown::absent)
    }
}
impl<T: Record> Shown for Vec<T> {
    const KIND: &'static str = "list";
    fn fields() -> Vec<FieldMeta> {
        T::fields()
    }
}
/// Plain texts in a list.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Texts(pub Vec<String>);
impl Shown for Texts {
    const KIND: &'static str = "list";
}
