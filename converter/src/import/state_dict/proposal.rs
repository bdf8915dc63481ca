//! What a user is told who gives a state dict without a layer list.

use super::StateDict;
use std::cmp::Ordering;
use std::fmt::Write;

/// The most tensors that are listed.
const MOST_LISTED: usize = 200;

impl StateDict {
    /// The tensors of the file with shapes and types, and a layer list to begin with if they look like a stack of fully
    /// connected layers. It is text to read, check and save: which activations the net has, no file of weights tells.
    pub fn request(&self) -> String {
        let mut text = String::from(
            "a state dict holds weights but not which layers they belong to; write the layers down in a layer list and give it \
             as well (docs/layer-list.md), or export the net to ONNX. It holds:\n",
        );
        let mut names: Vec<&str> = self.names().collect();
        names.sort_by(|a, b| natural(a, b));
        for name in names.iter().take(MOST_LISTED) {
            let (shape, kind) = (self.shape(name).unwrap_or_default(), self.kind(name).unwrap_or_default());
            let _ = writeln!(text, "  {} {shape:?} {kind}", name.escape_debug());
        }
        if names.len() > MOST_LISTED {
            let _ = writeln!(text, "  … and {} more", names.len() - MOST_LISTED);
        }
        match self.linear_stack(&names) {
            Some(list) => {
                text += "These can be fully connected layers one behind the other. If that is so, with a ReLU between each two, \
                         save this as layers.toml:\n\n";
                text += &list;
            }
            None => {
                text += "Their names and shapes do not make a plain stack of fully connected layers, so no list is proposed."
            }
        }
        text
    }

    /// A layer list, if all tensors are weights `[out, in]` and biases `[out]` of layers that fit together in the order
    /// of their names.
    fn linear_stack(&self, names: &[&str]) -> Option<String> {
        let mut layers: Vec<&str> = vec![];
        for name in names {
            let layer = match name.rsplit_once('.') {
                Some((layer, "weight" | "bias")) => layer,
                None if ["weight", "bias"].contains(name) => "",
                _ => return None,
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if !layer.chars().all(plain) {
                return None;
            }
            if !layers.contains(&layer) {
                layers.push(layer);
            }
            if layers.len() > MOST_LISTED {
                return None;
            }
        }
        let mut text = String::new();
        let mut width = None;
        for (place, layer) in layers.iter().enumerate() {
            let tensor = |what: &str| {
                self.shape(&if layer.is_empty() { what.into() } else { format!("{layer}.{what}") })
            };
            let &[outputs, inputs] = tensor("weight")? else { return None };
            if tensor("bias").is_some_and(|shape| shape != [outputs])
                || width.is_some_and(|width| width != inputs)
            {
                return None;
            }
            if width.is_none() {
                let _ = write!(text, "input = [{inputs}]\n\n");
            }
            if place > 0 {
                text += "[[layer]]\nkind = \"relu\"\n\n";
            }
            let _ = write!(text, "[[layer]]\nkind = \"linear\"\nweights = \"{layer}\"\n\n");
            width = Some(outputs);
        }
        Some(text.trim_end().to_owned())
    }
}

/// The order in which people number: `net.9` before `net.10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (m, n) = (digits(a), digits(b));
        if m > 0 && n > 0 {
            let (x, y) = (a[..m].trim_start_matches('0'), b[..n].trim_start_matches('0'));
            match x.len().cmp(&y.len()).then(x.cmp(y)) {
                Ordering::Equal => (a, b) = (&a[m..], &b[n..]),
                other => return other,
            }
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]),
            (x, y) => return x.cmp(&y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names = ["net.10.weight", "net.9.weight", "net.09", "b", "net.9.bias", "ä", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "b", "net.09", "net.9.bias", "net.9.weight", "net.10.weight", "ä"]);
    }
}
