//! What a declaration is: the traits that the derive macros implement and the registry reads.
use crate::answer::Answer;
use crate::request::Given;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_engine::{Call, JobDraft, Topic};
use stratus_model::Result;
use stratus_model::json::{push_number, push_text};
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

/// A record of an answer. It writes itself in JSON, byte by byte, because pages are long; other forms are made of its tree.
pub trait Record: Send + Sync {
    fn fields() -> Vec<FieldMeta>
    where
        Self: Sized;
    /// Writes each field as `,"name":value`.
    fn entries(&self, to: &mut Vec<u8>);
    /// Writes it whole.
    fn json(&self, to: &mut Vec<u8>) {
        let start = to.len();
        self.entries(to);
        match to.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => to.push(b'{'),
        }
        to.push(b'}');
    }
    /// The same as a value.
    fn tree(&self) -> Value;
}

/// What is no declared record: its entries are those of the object that it is.
impl Record for Value {
    fn fields() -> Vec<FieldMeta> {
        Vec::new()
    }
    fn entries(&self, to: &mut Vec<u8>) {
        for (name, value) in self.as_object().into_iter().flatten() {
            to.push(b',');
            push_text(to, name);
            to.push(b':');
            Shown::json(value, to);
        }
    }
    fn json(&self, to: &mut Vec<u8>) {
        Shown::json(self, to);
    }
    fn tree(&self) -> Value {
        self.clone()
    }
}

/// A type that a field can have.
pub trait Shown {
    const KIND: &'static str;
    fn fields() -> Vec<FieldMeta> {
        Vec::new()
    }
    /// Whether the field is left out.
    fn absent(&self) -> bool {
        false
    }
    /// Writes it in JSON.
    fn json(&self, to: &mut Vec<u8>);
    /// The same as a value.
    fn tree(&self) -> Value;
}

macro_rules! shown {
    ($($t:ty, $k:literal, $json:expr, $tree:expr;)*) => { $(impl Shown for $t {
        const KIND: &'static str = $k;
        fn json(&self, to: &mut Vec<u8>) {
            let write: fn(&Self, &mut Vec<u8>) = $json;
            write(self, to);
        }
        fn tree(&self) -> Value {
            let tree: fn(&Self) -> Value = $tree;
            tree(self)
        }
    })* };
}
shown! {
    String, "string", |v, to| push_text(to, v), |v| v.as_str().into();
    Name, "string", |v, to| push_text(to, &v.0), |v| (&*v.0).into();
    i64, "long", |v, to| push_number(to, *v), |v| (*v).into();
    i32, "integer", |v, to| push_number(to, (*v).into()), |v| (*v).into();
    bool, "boolean", |v, to| to.extend_from_slice(if *v { b"true" } else { b"false" }), |v| (*v).into();
    f64, "float", |v, to| to.extend_from_slice(Value::from(*v).to_string().as_bytes()), |v| (*v).into();
    BTreeMap<String, String>, "map", |v, to| Shown::json(&Shown::tree(v), to),
        |v| v.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<serde_json::Map<_, _>>().into();
    Value, "object", |v, to| to.extend_from_slice(v.to_string().as_bytes()), |v| v.clone();
    crate::params::Date, "date", |v, to| push_text(to, &stratus_model::format_date(v.0)), |v| stratus_model::format_date(v.0).into();
    Texts, "list", |v, to| Shown::json(&Shown::tree(v), to), |v| v.0.iter().map(|t| Value::from(t.as_str())).collect::<Vec<_>>().into();
}

/// A text that many records of a page have in common: the name of their zone, their template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Arc<str>);
impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl<T: Shown> Shown for Option<T> {
    const KIND: &'static str = T::KIND;
    fn fields() -> Vec<FieldMeta> {
        T::fields()
    }
    fn absent(&self) -> bool {
        self.as_ref().is_none_or(Shown::absent)
    }
    fn json(&self, to: &mut Vec<u8>) {
        match self {
            Some(v) => v.json(to),
            None => to.extend_from_slice(b"null"),
        }
    }
    fn tree(&self) -> Value {
        self.as_ref().map_or(Value::Null, Shown::tree)
    }
}
impl<T: Record> Shown for Vec<T> {
    const KIND: &'static str = "list";
    fn fields() -> Vec<FieldMeta> {
        T::fields()
    }
    fn json(&self, to: &mut Vec<u8>) {
        to.push(b'[');
        for (i, record) in self.iter().enumerate() {
            if i > 0 {
                to.push(b',');
            }
            record.json(to);
        }
        to.push(b']');
    }
    fn tree(&self) -> Value {
        self.iter().map(Record::tree).collect::<Vec<_>>().into()
    }
}
/// A record that many others of a page show: the group of all those machines.
impl<T: Record> Record for Arc<T> {
    fn fields() -> Vec<FieldMeta> {
        T::fields()
    }
    fn entries(&self, to: &mut Vec<u8>) {
        (**self).entries(to);
    }
    fn tree(&self) -> Value {
        (**self).tree()
    }
}
/// Plain texts in a list.
#[derive(Debug, Clone, Default)]
pub struct Texts(pub Vec<String>);
