//! Trees of JSON: heads of `net.bin` and of safetensors files, and layer lists, which are TOML but trees as well.

use serde_json::{Map, Value, json};

use super::{Random, changed};

/// Changes one place of a tree: another number, word or branch there, one more, one less, or one many times.
pub fn change(tree: &mut Value, random: &mut Random) {
    let mut words = vec![];
    let mut count = 0;
    visit(tree, &mut |value| {
        count += 1;
        match value {
            Value::String(word) => words.push(word.clone()),
            Value::Object(fields) => words.extend(fields.keys().cloned()),
            _ => {}
        }
    });
    let other = nth(tree, random.below(count)).cloned();
    let Some(place) = nth(tree, random.below(count)) else { return };
    if random.below(8) == 0
        && let Some(other) = other
    {
        *place = other;
        return;
    }
    match place {
        Value::Number(number) => {
            let near =
                number.as_u64().map(|n| [n.wrapping_add(1), n.wrapping_sub(1), n.wrapping_mul(2), n / 2]);
            *place = match (near, random.below(3)) {
                (Some(near), 0) => json!(random.of_these(&near)),
                (_, 1) => json!(random.real()),
                _ => json!(random.number()),
            };
        }
        Value::String(word) => {
            *place = match random.below(4) {
                0 => json!(String::from_utf8_lossy(&changed(word.as_bytes(), &[], random))),
                1 => json!(random.number()),
                _ => json!(random.of_these(&words)),
            };
        }
        Value::Array(elements) if !elements.is_empty() => {
            let at = random.below(elements.len());
            match random.below(4) {
                0 => drop(elements.remove(at)),
                1 => elements.insert(at, elements[at].clone()),
                2 => elements.push(json!(random.number())),
                _ => {
                    let more = 1 << random.below(8);
                    elements.extend(vec![elements[at].clone(); more]);
                }
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(random.below(fields.len())).cloned().unwrap_or_default();
            let value = fields.get(&name).cloned().unwrap_or_default();
            match random.below(3) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(random.of_these(&words), value)),
                _ => {
                    fields.remove(&name);
                    fields.insert(random.of_these(&words), value);
                }
            }
        }
        Value::Bool(flag) => *flag ^= true,
        _ => *place = random.of_these(&[json!(1), json!([]), json!({}), json!("a"), json!(null)]),
    }
}

fn visit(value: &Value, each: &mut impl FnMut(&Value)) {
    each(value);
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| visit(element, each)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, each)),
        _ => {}
    }
}

/// The place that is visited as the `at`-th.
fn nth(value: &mut Value, at: usize) -> Option<&mut Value> {
    fn walk<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
        if *left == 0 {
            return Some(value);
        }
        *left -= 1;
        match value {
            Value::Array(elements) => elements.iter_mut().find_map(|element| walk(element, left)),
            Value::Object(fields) => fields.values_mut().find_map(|field| walk(field, left)),
            _ => None,
        }
    }
    walk(value, &mut { at })
}

/// A safetensors file with its header or its numbers changed, behind the length that the header then has.
pub fn safetensors(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, numbers) = rest.split_at_checked(length)?;
    let (header, numbers) = match random.below(6) {
        0 => (header.to_vec(), changed(numbers, &[], random)),
        1 => (
            changed(header, &[b"__metadata__", b"BF16", b"F64", b"I64", b"F8_E5M2"], random),
            numbers.to_vec(),
        ),
        _ => {
            let mut tree: Value = serde_json::from_slice(header).ok()?;
            change(&mut tree, random);
            if random.below(2) == 0 {
                place(&mut tree);
            }
            (serde_json::to_vec(&tree).ok()?, numbers.to_vec())
        }
    };
    Some([&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat())
}

/// Gives every tensor the place that follows from the shapes of `f32`.
fn place(tree: &mut Value) {
    let Value::Object(tensors) = tree else { return };
    let mut at = 0u64;
    for (_, tensor) in tensors.iter_mut() {
        let Some(shape) = tensor.get("shape").and_then(Value::as_array) else { continue };
        let size = shape.iter().filter_map(Value::as_u64).fold(4u64, u64::wrapping_mul);
        let end = at.wrapping_add(size);
        if let Value::Object(fields) = tensor {
            fields.insert("data_offsets".to_owned(), json!([at, end]));
        }
        at = end;
    }
}

const TOML: &[&[u8]] = &[
    b"[[layer]]\n",
    b"kind = ",
    b"\"linear\"",
    b"\"conv\"",
    b"\"relu\"",
    b"\"relu6\"",
    b"\"clip\"",
    b"\"qcfs\"",
    b"\"avgpool\"",
    b"\"maxpool\"",
    b"\"global-avgpool\"",
    b"\"global-maxpool\"",
    b"\"add\"",
    b"\"concat\"",
    b"\"flatten\"",
    b"\"view\"",
    b"\"transpose\"",
    b"\"pad\"",
    b"\"affine\"",
    b"\"batchnorm\"",
    b"from = [",
    b"]\n",
    b"name = ",
    b"stride = ",
    b"padding = ",
    b"dilation = ",
    b"groups = ",
    b"kernel = ",
    b"ceil_mode = true\n",
    b"perm = [1, 0]\n",
    b"shape = [",
    b"before = [",
    b"after = [",
    b"axis = ",
    b"max = ",
    b"levels = ",
    b"theta = ",
    b"18446744073709551615",
    b"9223372036854775807",
    b"1e308",
    b"nan",
    b"inf",
    b"0",
    b"-1",
    b"4294967296",
];

/// A layer list with one place of its tree changed, or its text.
pub fn toml(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    if random.below(3) == 0 {
        return Some(changed(file, TOML, random));
    }
    let text = std::str::from_utf8(file).ok()?;
    let Value::Object(mut tree) = toml::from_str::<Value>(text).ok()? else { return None };
    if random.below(4) == 0
        && let Some(Value::Array(layers)) = tree.get_mut("layer")
        && let (Some(Value::Object(first)), place) = (layers.first(), random.below(layers.len() + 1))
    {
        let mut layer: Map<String, Value> = first.clone();
        for _ in 0..=random.below(4) {
            let (key, value) = option(random);
            layer.insert(key.to_owned(), value);
        }
        layers.insert(place, Value::Object(layer));
    } else {
        let mut whole = Value::Object(tree);
        change(&mut whole, random);
        let Value::Object(changed) = whole else { return None };
        tree = changed;
    }
    toml::to_string(&tree).ok().map(String::into_bytes)
}

/// A key of a layer with a value.
fn option(random: &mut Random) -> (&'static str, Value) {
    let kinds = [
        "linear",
        "conv",
        "relu",
        "relu6",
        "clip",
        "qcfs",
        "avgpool",
        "maxpool",
        "global-avgpool",
        "global-maxpool",
        "add",
        "concat",
        "flatten",
        "view",
        "transpose",
        "pad",
        "affine",
        "batchnorm",
    ];
    let keys = [
        "stride", "padding", "dilation", "groups", "kernel", "perm", "shape", "before", "after", "axis",
        "max", "levels", "theta", "scale", "shift", "eps",
    ];
    match random.below(3) {
        0 => ("kind", json!(random.of_these(&kinds))),
        1 => (random.of_these(&keys), json!(random.number() >> 1)),
        _ => (random.of_these(&keys), json!(vec![random.below(5); random.below(4)])),
    }
}
