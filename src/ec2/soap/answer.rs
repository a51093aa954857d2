//! An answer cut to the schema of a version: exactly its elements, in its order, with those that must be there.
use super::schema::{Field, Kind, Schema};
use crate::mapping::expression::Leaf;
use crate::tree::{Node, Tag};

/// What is left of an answer's elements. What the schema wants and nobody knows is empty, false, 0 or the beginning of time; a
/// list is an empty one.
pub fn cut(schema: &Schema, fields: &[Field], built: Vec<(Tag, Node)>) -> Vec<(Tag, Node)> {
    let mut built: Vec<Option<(Tag, Node)>> = built.into_iter().map(Some).collect();
    let mut found = Vec::new();
    for field in fields.iter().filter(|f| !f.attribute) {
        let given = built.iter_mut().find(|b| b.as_ref().is_some_and(|(name, _)| *name == field.name)).and_then(Option::take);
        let node = match given.and_then(|(_, node)| fit(schema, field, node)) {
            None if field.optional => continue,
            None => nothing(schema, field),
            Some(node) => node,
        };
        found.push((Tag::Owned(field.name.clone()), node));
    }
    found
}

/// A part as the schema has it; `None` when it is of another make.
fn fit(schema: &Schema, field: &Field, node: Node) -> Option<Node> {
    if let Some(item) = schema.item(&field.kind) {
        let Node::Set(items) = node else { return None };
        return Some(Node::Set(items.into_iter().filter_map(|one| fit(schema, item, one)).collect()));
    }
    match (&field.kind, node) {
        (Kind::Empty, _) => Some(Node::Fields(Vec::new())),
        (Kind::Simple(_), node @ Node::Leaf(_)) => Some(node),
        (kind @ (Kind::Named(_) | Kind::Fields(_)), Node::Fields(below)) => Some(Node::Fields(cut(schema, schema.fields(kind), below))),
        _ => None,
    }
}

fn nothing(schema: &Schema, field: &Field) -> Node {
    if schema.item(&field.kind).is_some() {
        return Node::Set(Vec::new());
    }
    let text = match &field.kind {
        Kind::Simple("int" | "long" | "double") => "0",
        Kind::Simple("boolean") => "false",
        Kind::Simple("dateTime") => "1970-01-01T00:00:00.000Z",
        Kind::Simple(_) => "",
        Kind::Empty => return Node::Fields(Vec::new()),
        kind => return Node::Fields(cut(schema, schema.fields(kind), Vec::new())),
    };
    Node::Leaf(Leaf::Text(text.into()))
}

#[cfg(test)]
mod tests {
    use super::super::schema::Published;
    use super::*;
    use crate::tree::{self, text};

    #[test]
    fn an_answer_has_the_elements_of_its_version_in_their_order() {
        let schema = Schema::of(Published::V2010).expect("a table");
        let fields = &schema.operations["DescribeVolumes"].response;
        let attachment = Node::Fields(vec![text("status", "attached"), text("volumeId", "vol-1"), text("new", "x")]);
        let volume = Node::Fields(vec![
            ("attachmentSet".into(), Node::Set(vec![attachment])),
            text("volumeType", "standard"),
            text("volumeId", "vol-1"),
            text("size", "5"),
        ]);
        let built = vec![("volumeSet".into(), Node::Set(vec![volume])), text("nextToken", "t"), text("requestId", "r")];
        let bytes = tree::document("R", None, &cut(schema, fields, built), &crate::Names::default());
        let shown = String::from_utf8(bytes).expect("text");
        let expected = "<requestId>r</requestId><volumeSet><item><volumeId>vol-1</volumeId><size>5</size><snapshotId/><availabilityZone/><status/>\
            <createTime>1970-01-01T00:00:00.000Z</createTime><attachmentSet><item><volumeId>vol-1</volumeId><instanceId/><device/><status>attached</status>";
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("volumeType") && !shown.contains("nextToken") && !shown.contains("new"), "{shown}");
    }
}
