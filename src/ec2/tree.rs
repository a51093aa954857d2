//! From a record and an action's declared answer to a tree, and from there to XML.
use crate::mapping::answer::{Content, Element};
use crate::mapping::expression::{Leaf, at, walk};
use crate::{Names, Version};
use serde_json::Value;
use std::borrow::Cow;

/// The name of an element.
pub type Tag = Cow<'static, str>;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A value.
    Leaf(Leaf),
    /// Elements by name.
    Fields(Vec<(Tag, Node)>),
    /// A list of `<item>`.
    Set(Vec<Node>),
}

/// The elements of an answer that a record has in a version.
pub fn build(elements: &'static [Element], record: &Value, version: &Version) -> Vec<(Tag, Node)> {
    elements.iter().filter_map(|e| Some((Cow::Borrowed(e.name.as_str()), node(&e.content, record, version)?))).collect()
}

/// One part of an answer, as far as the record has it.
pub fn node(content: &'static Content, record: &Value, version: &Version) -> Option<Node> {
    match content {
        Content::Leaf(e) if !e.versions.hold(version) => None,
        Content::Leaf(e) => e.value(record).map(Node::Leaf),
        Content::Fields { versions, .. } | Content::Set { versions, .. } if !versions.hold(version) => None,
        Content::Fields { of: Some(path), fields, .. } => Some(Node::Fields(build(fields, at(record, path)?, version))),
        Content::Fields { of: None, fields, .. } => {
            let fields = build(fields, record, version);
            (!fields.is_empty()).then_some(Node::Fields(fields))
        }
        Content::Set { each, item, .. } => {
            let mut items = Vec::new();
            let mut present = false;
            walk(record, each.split_last().map_or(&[][..], |(_, before)| before), &mut |holder| {
                let Some(Value::Array(all)) = each.last().and_then(|last| holder.get(last)) else { return };
                present = true;
                items.extend(all.iter().filter_map(|one| node(item, one, version)));
            });
            present.then_some(Node::Set(items))
        }
    }
}

/// Calls `each` with every id below a node.
pub fn ids(node: &Node, each: &mut dyn FnMut(&'static str, &str)) {
    match node {
        Node::Leaf(Leaf::Id { kind, uuid }) => each(kind, uuid),
        Node::Leaf(Leaf::Text(_)) => {}
        Node::Fields(fields) => fields.iter().for_each(|(_, node)| ids(node, each)),
        Node::Set(items) => items.iter().for_each(|node| ids(node, each)),
    }
}

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// Writes a document: the declaration, a root with its namespace, and elements.
pub fn document(root: &str, namespace: Option<&str>, fields: &[(Tag, Node)], names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(DECLARATION);
    outermost(&mut out, root, namespace, fields, names);
    out
}

/// Writes an element with its namespace, and elements in it.
pub fn element(name: &str, namespace: Option<&str>, fields: &[(Tag, Node)], names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    outermost(&mut out, name, namespace, fields, names);
    out
}

/// A document whose list is written piece by piece.
pub struct Document {
    out: Vec<u8>,
    root: String,
    /// The list, once something stands in it.
    list: &'static str,
    begun: bool,
}

impl Document {
    /// Begins a document with some fields and the list that then comes.
    pub fn begin(root: String, namespace: &str, fields: &[(Tag, Node)], list: &'static str) -> Self {
        let mut out = Vec::with_capacity(64 << 10);
        out.extend_from_slice(DECLARATION);
        open(&mut out, &root, Some(namespace));
        write_fields(&mut out, fields, &Names::default());
        Self { out, root, list, begun: false }
    }
    /// Writes more of the list.
    pub fn items(&mut self, items: &[Node], names: &Names) {
        if !self.begun && !items.is_empty() {
            self.begun = true;
            open(&mut self.out, self.list, None);
        }
        items.iter().for_each(|item| write(&mut self.out, "item", item, names));
    }
    /// The whole of it.
    pub fn end(mut self) -> Vec<u8> {
        match self.begun {
            true => close(&mut self.out, self.list),
            false => empty(&mut self.out, self.list),
        }
        close(&mut self.out, &self.root);
        self.out
    }
}

fn outermost(out: &mut Vec<u8>, root: &str, namespace: Option<&str>, fields: &[(Tag, Node)], names: &Names) {
    open(out, root, namespace);
    write_fields(out, fields, names);
    close(out, root);
}

/// Names of elements stand in mappings and schemas: they need no escaping.
fn open(out: &mut Vec<u8>, name: &str, namespace: Option<&str>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    if let Some(uri) = namespace {
        out.extend_from_slice(b" xmlns=\"");
        write_text(out, uri);
        out.push(b'"');
    }
    out.push(b'>');
}

fn close(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn empty(out: &mut Vec<u8>, name: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"/>");
}

fn write_fields(out: &mut Vec<u8>, fields: &[(Tag, Node)], names: &Names) {
    for (name, node) in fields {
        write(out, name, node, names);
    }
}

fn write(out: &mut Vec<u8>, name: &str, node: &Node, names: &Names) {
    let nothing = match node {
        Node::Leaf(Leaf::Text(text)) => text.is_empty(),
        Node::Leaf(Leaf::Id { .. }) => false,
        Node::Fields(fields) => fields.is_empty(),
        Node::Set(items) => items.is_empty(),
    };
    if nothing {
        return empty(out, name);
    }
    open(out, name, None);
    match node {
        Node::Leaf(Leaf::Text(text)) => write_text(out, text),
        Node::Leaf(Leaf::Id { kind, uuid }) => write_text(out, names.of(kind, uuid)),
        Node::Fields(fields) => write_fields(out, fields, names),
        Node::Set(items) => items.iter().for_each(|item| write(out, "item", item, names)),
    }
    close(out, name);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'<' | b'>' | b'&' | b'"' | b'\'')) {
        return out.extend_from_slice(text.as_bytes());
    }
    // Characters that XML 1.0 cannot carry would make the whole answer unreadable.
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    let clean: String = text.chars().map(|c| if legal(c) { c } else { '\u{fffd}' }).collect();
    out.extend_from_slice(quick_xml::escape::escape(clean.as_str()).as_bytes());
}

/// A text element.
pub fn text(name: &'static str, value: impl Into<String>) -> (Tag, Node) {
    (Cow::Borrowed(name), Node::Leaf(Leaf::Text(value.into())))
}
