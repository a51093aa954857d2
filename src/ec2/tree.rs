//! From a record and an action's declared answer to a tree, and from there to XML.
use crate::mapping::answer::{Content, Element};
use crate::mapping::expression::{Leaf, at, walk};
use crate::{Names, Version};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::Value;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A value.
    Leaf(Leaf),
    /// Elements by name.
    Fields(Vec<(String, Node)>),
    /// A list of `<item>`.
    Set(Vec<Node>),
}

/// The elements of an answer that a record has in a version.
pub fn build(elements: &[Element], record: &Value, version: &Version) -> Vec<(String, Node)> {
    elements.iter().filter_map(|e| Some((e.name.clone(), node(&e.content, record, version)?))).collect()
}

fn node(content: &Content, record: &Value, version: &Version) -> Option<Node> {
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

/// Writes a document: the declaration, a root with its namespace, and elements.
pub fn document(root: &str, namespace: Option<&str>, fields: &[(String, Node)], names: &Names) -> Vec<u8> {
    let mut out = Writer::new(Vec::with_capacity(1024));
    // Writing into memory does not fail.
    let _ = out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    outermost(&mut out, root, namespace, fields, names);
    out.into_inner()
}

/// Writes an element with its namespace, and elements in it.
pub fn element(name: &str, namespace: Option<&str>, fields: &[(String, Node)], names: &Names) -> Vec<u8> {
    let mut out = Writer::new(Vec::with_capacity(1024));
    outermost(&mut out, name, namespace, fields, names);
    out.into_inner()
}

fn outermost(out: &mut Writer<Vec<u8>>, root: &str, namespace: Option<&str>, fields: &[(String, Node)], names: &Names) {
    let mut start = BytesStart::new(root);
    if let Some(uri) = namespace {
        start.push_attribute(("xmlns", uri));
    }
    let _ = out.write_event(Event::Start(start));
    write_fields(out, fields, names);
    let _ = out.write_event(Event::End(BytesEnd::new(root)));
}

fn write_fields(out: &mut Writer<Vec<u8>>, fields: &[(String, Node)], names: &Names) {
    for (name, node) in fields {
        write(out, name, node, names);
    }
}

fn write(out: &mut Writer<Vec<u8>>, name: &str, node: &Node, names: &Names) {
    let empty = match node {
        Node::Leaf(Leaf::Text(text)) => text.is_empty(),
        Node::Leaf(Leaf::Id { .. }) => false,
        Node::Fields(fields) => fields.is_empty(),
        Node::Set(items) => items.is_empty(),
    };
    if empty {
        let _ = out.write_event(Event::Empty(BytesStart::new(name)));
        return;
    }
    let _ = out.write_event(Event::Start(BytesStart::new(name)));
    match node {
        Node::Leaf(Leaf::Text(text)) => write_text(out, text),
        Node::Leaf(Leaf::Id { kind, uuid }) => write_text(out, &names.of(kind, uuid)),
        Node::Fields(fields) => write_fields(out, fields, names),
        Node::Set(items) => items.iter().for_each(|item| write(out, "item", item, names)),
    }
    let _ = out.write_event(Event::End(BytesEnd::new(name)));
}

fn write_text(out: &mut Writer<Vec<u8>>, text: &str) {
    // Characters that XML 1.0 cannot carry would make the whole answer unreadable.
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    let clean: String = text.chars().map(|c| if legal(c) { c } else { '\u{fffd}' }).collect();
    let _ = out.write_event(Event::Text(BytesText::new(&clean)));
}

/// A text element.
pub fn text(name: &str, value: impl Into<String>) -> (String, Node) {
    (name.to_owned(), Node::Leaf(Leaf::Text(value.into())))
}
