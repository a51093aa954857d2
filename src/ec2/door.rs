use crate::auth::Arrived;
use crate::mapping::answer::Content;
use crate::mapping::{Action, Mappings, Run, Wire};
use crate::native::Permit;
use crate::run::Pieces;
use crate::tree::{self, Document, Node, Tag};
use crate::{Cx, Fault, Input, Names, Native, Outcome, Version, run, sts};
use serde_json::Value;
use std::sync::Arc;
use stratus_engine::Engine;
use stratus_model::{Caller, Error, Result};

/// The EC2 door.
pub struct Door {
    pub(crate) native: Arc<dyn Native>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) mappings: &'static Mappings,
}

/// The content type of answers in XML.
pub(crate) const XML: &str = "text/xml;charset=UTF-8";

/// What a request is answered with.
pub(crate) struct Answer {
    pub status: u16,
    pub request_id: String,
    pub body: Vec<u8>,
}

impl Door {
    /// A door over the native commands. Fails only when the mappings of this build are broken.
    pub fn new(native: Arc<dyn Native>, engine: Arc<Engine>) -> Result<Arc<Self>> {
        let mappings = Mappings::get().map_err(Error::internal)?;
        Ok(Arc::new(Self { native, engine, mappings }))
    }

    /// Whether the door is open.
    pub(crate) fn is_on(&self) -> bool {
        self.engine.settings.flag("enable.ec2.api")
    }

    /// Answers a Query request; with the content type.
    pub(crate) async fn query(self: &Arc<Self>, arrived: Arrived, wire: Option<Wire>) -> (Answer, &'static str) {
        let request_id = uuid::Uuid::new_v4().to_string();
        let answer = match self.registration(&arrived).await {
            Some(answer) => answer,
            None => self.serve(&arrived, &request_id).await.map(|body| (Answer { status: 200, request_id: request_id.clone(), body }, XML)),
        };
        answer.unwrap_or_else(|fault| match wire {
            None => (fault_answer(&fault, request_id), XML),
            Some(Wire::Sts) => (sts::fault_answer(&fault, request_id), XML),
        })
    }

    async fn serve(self: &Arc<Self>, arrived: &Arrived, request_id: &str) -> Outcome<Vec<u8>> {
        let signed = self.authenticate(arrived).await?;
        let input = Input::new(signed.parameters.pairs());
        let version = Version::of(input.get("Version"))?;
        let action = self.action(input.require("Action")?)?;
        let caller = Arc::unwrap_or_clone(signed.caller);
        let cx = self.admit(caller, action, input, version, host(arrived))?;
        if let Some(body) = self.in_pieces(&cx, request_id).await.map_err(|fault| fault.renamed(&action.errors))? {
            return Ok(body);
        }
        let record = self.done(&cx).await?;
        let fields = build(&cx, &record, request_id);
        if cx.action.wire == Some(Wire::Sts) {
            return Ok(sts::document(&cx.action.name, fields, request_id));
        }
        let names = names(&cx, &fields).await?;
        Ok(tree::document(&format!("{}Response", cx.action.name), Some(&namespace(&cx)), &fields, &names))
    }

    /// The mapping of an action.
    pub(crate) fn action(&self, name: &str) -> Outcome<&'static Action> {
        let mappings: &'static Mappings = self.mappings;
        mappings.action(name).ok_or_else(|| match mappings.unsupported(name) {
            Some(why) => Fault::unsupported(format!("{name} is not supported by this cloud: {why}")),
            None => Fault::new("InvalidAction", format!("The action {} is not valid for this service", shown(name))),
        })
    }

    /// All of a long list, written while it is read; nothing when that is not what is asked for.
    async fn in_pieces(&self, cx: &Cx, request_id: &str) -> Outcome<Option<Vec<u8>>> {
        let Some(first) = cx.action.answer.first().filter(|_| cx.action.run == Run::List) else { return Ok(None) };
        let Content::Set { item, .. } = &first.content else { return Ok(None) };
        let Some(mut pieces) = Pieces::of(cx).await? else { return Ok(None) };
        let root = format!("{}Response", cx.action.name);
        let mut document = Document::begin(root, &namespace(cx), &[tree::text("requestId", request_id)], &first.name);
        let mut names = Names::default();
        while let Some(records) = pieces.next().await? {
            let items: Vec<Node> = records.iter().filter_map(|record| tree::node(item, record, &cx.version)).collect();
            items.iter().for_each(|node| tree::ids(node, &mut |kind, uuid| names.want(kind, uuid)));
            names.learn(cx.engine()).await?;
            document.items(&items, &names);
        }
        metrics::counter!("stratus_ec2_calls", "action" => cx.action.name.as_str()).increment(1);
        Ok(Some(document.end()))
    }

    /// Carries an action out, whichever way it was said; the record that its answer is read from.
    pub(crate) async fn carry_out(
        self: &Arc<Self>,
        caller: Caller,
        action: &'static Action,
        input: Input,
        version: Version,
        host: String,
    ) -> Outcome<(Cx, Value)> {
        let cx = self.admit(caller, action, input, version, host)?;
        let record = self.done(&cx).await?;
        Ok((cx, record))
    }

    /// A call that may be carried out.
    fn admit(self: &Arc<Self>, caller: Caller, action: &'static Action, input: Input, version: Version, host: String) -> Outcome<Cx> {
        input.check(action)?;
        self.permitted(&caller, action)?;
        Ok(Cx { door: self.clone(), caller: Arc::new(caller), action, input, version, host })
    }

    async fn done(&self, cx: &Cx) -> Outcome<Value> {
        let record = run::run(cx).await.map_err(|fault| fault.renamed(&cx.action.errors))?;
        metrics::counter!("stratus_ec2_calls", "action" => cx.action.name.as_str()).increment(1);
        Ok(record)
    }

    /// Refuses an action whose native command the caller may not run.
    fn permitted(&self, caller: &Caller, action: &Action) -> Outcome<()> {
        let Some(command) = &action.command else { return Ok(()) };
        match self.native.permit(caller, command) {
            Permit::Yes => Ok(()),
            Permit::No => Err(Fault::new("UnauthorizedOperation", "You are not authorized to perform this operation")),
            Permit::Unknown => Err(Fault::unsupported(format!("{} is not supported by this cloud yet", action.name))),
        }
    }
}

/// The `Host` header.
pub(crate) fn host(arrived: &Arrived) -> String {
    arrived.head.headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or("localhost").to_owned()
}

fn namespace(cx: &Cx) -> String {
    format!("http://ec2.amazonaws.com/doc/{}/", cx.version.text())
}

/// The elements of an answer, before ids are looked up.
pub(crate) fn build(cx: &Cx, record: &Value, request_id: &str) -> Vec<(Tag, Node)> {
    let mut fields = vec![tree::text("requestId", request_id)];
    fields.extend(tree::build(&cx.action.answer, record, &cx.version));
    fields
}

/// The ids that elements show.
pub(crate) async fn names(cx: &Cx, fields: &[(Tag, Node)]) -> Outcome<Names> {
    let mut names = Names::default();
    fields.iter().for_each(|(_, node)| tree::ids(node, &mut |kind, uuid| names.want(kind, uuid)));
    names.learn(cx.engine()).await?;
    Ok(names)
}

/// An error in Query's shape: no namespace, `RequestID` with a capital D.
pub(crate) fn fault_answer(fault: &Fault, request_id: String) -> Answer {
    let error = Node::Fields(vec![tree::text("Code", &fault.code), tree::text("Message", &fault.message)]);
    let errors = Node::Fields(vec![("Error".into(), error)]);
    let fields = vec![("Errors".into(), errors), tree::text("RequestID", &request_id)];
    Answer { status: fault.status(), body: tree::document("Response", None, &fields, &Names::default()), request_id }
}

/// A name as sent, fit to be shown.
fn shown(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}
