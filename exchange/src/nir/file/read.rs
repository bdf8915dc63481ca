//! From the bytes of a file to a graph.

use std::collections::BTreeMap;

use hdf5_pure::{
    DType, Dataset, Datatype, DatatypeByteOrder, Error, File, FloatingPointLayout, FormatError, Group,
    Layout, VlenStringReadOptions,
};

use crate::nir::graph::{Graph, NirError, Node, Tensor};

/// The most bytes that one packed byte can unfold into: 1032, the limit of the deflate format itself.
pub const MAX_RATIO: u64 = 1032;

/// Bytes that any file may unfold into.
const SLACK: u64 = 1 << 20;

/// Bytes that any array may have of which nothing is stored.
const FEW_BYTES: u64 = 1 << 16;

/// The numbers of an array are held in 8 bytes, and may be stored in 4.
const WIDER: u64 = 2;

/// Bytes of a file that justify a node, and how many nodes any file may have.
const NODE: u64 = 64;
const FEW_NODES: u64 = 64;

/// The most arrays and texts of one group, and the most groups inside one another: of a graph in a graph there are two.
const MOST_MEMBERS: usize = 4096;
const DEEPEST: usize = 66;

/// What may still be read.
struct Budget {
    bytes: u64,
    allowed: u64,
    nodes: u64,
}

impl Budget {
    fn of(length: u64) -> Self {
        let allowed = length.saturating_mul(WIDER * MAX_RATIO).saturating_add(SLACK);
        Self { bytes: allowed, allowed, nodes: length / NODE + FEW_NODES }
    }

    fn spend(&mut self, at: &str, bytes: Option<u64>) -> Result<(), NirError> {
        match bytes.and_then(|bytes| self.bytes.checked_sub(bytes)) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(NirError::new(
                at,
                format!(
                    "is too large, with what was read before it: a file of this length unfolds into {} bytes at most; write it \
                     without packing (nir.write(…, compression=None)) if it is sound",
                    self.allowed
                ),
            )),
        }
    }
}

/// The graph in the bytes of a NIR file.
///
/// Memory is in proportion to the file: at most [`MAX_RATIO`] times its length, where all of it is packed as well as can be.
///
/// # Errors
/// If the bytes are no sound HDF5 file, no graph of NIR, or unfold into more than that; the path in the file is named.
pub fn parse(bytes: Vec<u8>) -> Result<Graph, NirError> {
    let length = bytes.len() as u64;
    let unsound = |error: Error| NirError::new("file", format!("is no sound HDF5 file: {error}"));
    let file = File::from_bytes(bytes).map_err(unsound)?;
    let root = file.root();
    let node = root.group("node").map_err(|error| {
        let what = format!(
            "holds no group `node` ({error}), so that it is none that nir.write made; files of other tools are read by \
             the tools themselves and written by nir.write"
        );
        NirError::new("file", what)
    })?;
    let mut reader = Reader { budget: Budget::of(length) };
    let node = reader.node(&node, "/node", 0)?;
    match node.graph {
        Some(graph) => Ok(*graph),
        None => Err(NirError::new(
            "file `/node`",
            format!("is a single node of type {}; allowed is a graph, of type NIRGraph", node.kind),
        )),
    }
}

struct Reader {
    budget: Budget,
}

/// What an array of a file is.
enum Value {
    Numbers(Tensor),
    Texts {
        shape: Vec<usize>,
        texts: Vec<String>,
    },
    /// No value at all.
    Nothing,
}

impl Value {
    /// As it is kept where only texts are.
    fn into_text(self) -> Option<String> {
        match self {
            Self::Texts { texts, .. } if texts.len() == 1 => texts.into_iter().next(),
            Self::Texts { texts, .. } => Some(format!("{texts:?}")),
            Self::Numbers(tensor) => match tensor.values() {
                [one] if tensor.shape().is_empty() => Some(one.to_string()),
                values => Some(format!("{values:?}")),
            },
            Self::Nothing => None,
        }
    }
}

/// The path of something in a group.
fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.escape_debug())
}

fn refused(at: &str, what: impl Into<String>) -> NirError {
    NirError::new(format!("file `{at}`"), what)
}

fn unreadable(at: &str) -> impl Fn(Error) -> NirError {
    move |error| {
        let hint = match error {
            Error::Format(FormatError::InvalidLayoutVersion(_)) => {
                "; it is of a newer form of HDF5, write it by nir.write, or by h5py without libver='latest'"
            }
            _ => "",
        };
        refused(at, format!("cannot be read: {error}{hint}"))
    }
}

impl Reader {
    fn node(&mut self, group: &Group, at: &str, depth: usize) -> Result<Node, NirError> {
        self.budget.nodes = self.budget.nodes.checked_sub(1).ok_or_else(|| {
            refused(at, "is one node more than the length of the file justifies: groups of it stand in several places")
        })?;
        if depth > DEEPEST {
            return Err(refused(at, format!("lies more than {} graphs deep", DEEPEST / 2)));
        }
        let mut node = Node::default();
        let mut edges = None;
        for (name, dataset) in self.members(group, at)? {
            let at = below(at, &name);
            match (name.as_str(), self.value(&dataset, &at)?) {
                ("type", Value::Texts { texts, .. }) if texts.len() == 1 => {
                    node.kind = texts.into_iter().next().unwrap_or_default();
                }
                ("metadata" | "nodes", _) => {
                    return Err(refused(&at, "is an array; allowed is a group"));
                }
                ("edges", value) => edges = Some(self::edges(value, &at)?),
                (_, Value::Numbers(tensor)) => {
                    node.numbers.insert(name, tensor);
                }
                (_, Value::Texts { shape, texts }) if shape.is_empty() && texts.len() == 1 => {
                    node.texts.insert(name, texts.into_iter().next().unwrap_or_default());
                }
                (_, Value::Texts { shape, .. }) => {
                    return Err(refused(
                        &at,
                        format!("holds texts of shape {shape:?}; allowed is a single one"),
                    ));
                }
                (_, Value::Nothing) => {}
            }
        }
        if node.kind.is_empty() {
            return Err(refused(
                at,
                "has no text `type`; allowed are nodes of NIR with their type, such as LIF",
            ));
        }
        let mut nodes = None;
        for (name, inner) in group.iter_groups().map_err(unreadable(at))? {
            let at = below(at, &name);
            match name.as_str() {
                "metadata" => self.metadata(&inner, &at, "", depth + 1, &mut node.metadata)?,
                "nodes" if node.kind == "NIRGraph" => nodes = Some(self.nodes(&inner, &at, depth + 1)?),
                // Types by the names of inputs and outputs, of which a node has one.
                _ => {
                    for (_, dataset) in self.members(&inner, &at)?.into_iter().take(1) {
                        if let Value::Numbers(tensor) = self.value(&dataset, &at)? {
                            node.numbers.insert(name.clone(), tensor);
                        }
                    }
                }
            }
        }
        if node.kind == "NIRGraph" {
            let (Some(nodes), Some(edges)) = (nodes, edges) else {
                return Err(refused(at, "is a graph without the group `nodes` or without `edges`"));
            };
            node.graph = Some(Box::new(Graph { nodes, edges, metadata: node.metadata.clone() }));
        }
        Ok(node)
    }

    fn nodes(&mut self, group: &Group, at: &str, depth: usize) -> Result<BTreeMap<String, Node>, NirError> {
        let mut nodes = BTreeMap::new();
        for (name, inner) in group.iter_groups().map_err(unreadable(at))? {
            let node = self.node(&inner, &below(at, &name), depth + 1)?;
            nodes.insert(name, node);
        }
        Ok(nodes)
    }

    /// Texts and numbers by name, those of groups in groups as `group.name`.
    fn metadata(
        &mut self,
        group: &Group,
        at: &str,
        prefix: &str,
        depth: usize,
        found: &mut BTreeMap<String, String>,
    ) -> Result<(), NirError> {
        if depth > DEEPEST {
            return Err(refused(at, format!("lies more than {DEEPEST} groups deep")));
        }
        for (name, dataset) in self.members(group, at)? {
            if let Some(text) = self.value(&dataset, &below(at, &name))?.into_text() {
                found.insert(format!("{prefix}{name}"), text);
            }
        }
        for (name, inner) in group.iter_groups().map_err(unreadable(at))? {
            self.metadata(&inner, &below(at, &name), &format!("{prefix}{name}."), depth + 1, found)?;
        }
        Ok(())
    }

    /// The arrays and texts of a group.
    fn members(&mut self, group: &Group, at: &str) -> Result<Vec<(String, Dataset)>, NirError> {
        // Their names first: a handle holds what is said of an array, which several names may share.
        let names = group.datasets().map_err(unreadable(at))?;
        if names.len() > MOST_MEMBERS {
            return Err(refused(at, format!("has {} arrays; allowed are {MOST_MEMBERS}", names.len())));
        }
        let of = |name: String| {
            let dataset = group.dataset(&name).map_err(unreadable(&below(at, &name)))?;
            Ok((name, dataset))
        };
        names.into_iter().map(of).collect()
    }

    fn value(&mut self, dataset: &Dataset, at: &str) -> Result<Value, NirError> {
        let read = unreadable(at);
        let extents = dataset.shape().map_err(&read)?;
        let width = dataset.element_size().map_err(&read)?;
        let count = extents.iter().try_fold(1_u64, |count, &extent| count.checked_mul(extent));
        let kind = dataset.dtype().map_err(&read)?;
        // As it is held, and as it is stored.
        let held = count.and_then(|count| count.checked_mul(width.max(8)));
        self.budget.spend(at, held)?;
        // What nothing is stored of would be made of fill values.
        let said = count.and_then(|count| count.checked_mul(width));
        let kept = stored_bytes(dataset, at)?;
        let most = if dataset.filters().is_empty() { kept } else { kept.saturating_mul(MAX_RATIO) };
        if said.is_none_or(|said| said > most.saturating_add(FEW_BYTES)) {
            return Err(refused(
                at,
                format!(
                    "has the shape {extents:?}, but the {kept} bytes that are stored of it unfold into {most} at most"
                ),
            ));
        }
        if let Some(chunk) = dataset.chunk_shape().map_err(&read)? {
            // A chunk is unpacked whole, also where most of it lies outside.
            let bytes = chunk.iter().try_fold(width, |bytes, &extent| bytes.checked_mul(extent));
            let most = self.budget.bytes;
            if bytes.is_none_or(|bytes| bytes > most) {
                return Err(refused(
                    at,
                    format!("has chunks of shape {chunk:?}, which are larger than the file justifies"),
                ));
            }
        }
        let shape = extents
            .iter()
            .map(|&extent| usize::try_from(extent).ok())
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| refused(at, format!("has the shape {extents:?}, too large for this machine")))?;
        let missing = |found: usize| refused(at, format!("has the shape {shape:?}, but {found} values"));
        if matches!(kind, DType::String | DType::VariableLengthString) {
            let texts = self.texts(dataset, at, &kind)?;
            return match texts.len() {
                0 => Ok(Value::Nothing),
                found if Some(found as u64) != count => Err(missing(found)),
                _ => Ok(Value::Texts { shape, texts }),
            };
        }
        let values = match stored(&dataset.datatype().map_err(&read)?) {
            Some(Stored::Numbers) => dataset.read_f64().map_err(&read)?,
            Some(Stored::Halves(order)) => {
                let raw = dataset.read_raw().map_err(&read)?;
                raw.as_chunks::<2>().0.iter().map(|bytes| half(order(*bytes))).collect()
            }
            None => {
                return Err(refused(
                    at,
                    format!(
                        "is of type {kind}; allowed are whole numbers, IEEE floating-point numbers and texts"
                    ),
                ));
            }
        };
        if values.is_empty() && count.is_none_or(|count| count <= 1) {
            // An empty array says no more than none, and a file has no other word for none.
            return Ok(Value::Nothing);
        }
        let found = values.len();
        Tensor::new(shape.clone(), values).map(Value::Numbers).map_err(|_| missing(found))
    }

    fn texts(&mut self, dataset: &Dataset, at: &str, kind: &DType) -> Result<Vec<String>, NirError> {
        let read = unreadable(at);
        if matches!(kind, DType::String) {
            return dataset.read_string().map_err(&read);
        }
        let payload = dataset.vlen_string_payload_size().map_err(&read)?;
        self.budget.spend(at, Some(payload))?;
        let most = usize::try_from(payload).unwrap_or(usize::MAX);
        dataset.read_vlen_strings(VlenStringReadOptions::new().with_max_payload_bytes(most)).map_err(&read)
    }
}

/// The bytes that are stored of an array, packed or not.
fn stored_bytes(dataset: &Dataset, at: &str) -> Result<u64, NirError> {
    let read = unreadable(at);
    match dataset.layout().map_err(&read)? {
        Layout::Compact { size } | Layout::Contiguous { address: Some(_), size } => Ok(size),
        Layout::Contiguous { address: None, .. } => Ok(0),
        Layout::Chunked { .. } => {
            let chunks = dataset.chunks().map_err(&read)?;
            Ok(chunks.iter().fold(0, |bytes, chunk| bytes.saturating_add(chunk.storage_size)))
        }
        _ => Err(refused(at, "lies in other files; allowed are arrays of this file")),
    }
}

/// How numbers that can be read are stored.
enum Stored {
    /// As the machine has them, but for the order of their bytes.
    Numbers,
    /// In half precision, of the order that the function undoes.
    Halves(fn([u8; 2]) -> u16),
}

/// Half precision: IEEE 754 binary16.
const HALF: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 10,
    exponent_size: 5,
    mantissa_location: 0,
    mantissa_size: 10,
    exponent_bias: 15,
};

fn stored(kind: &Datatype) -> Option<Stored> {
    match kind {
        Datatype::FixedPoint { size, layout, byte_order } => {
            let whole = layout.bit_offset == 0 && u32::from(layout.bit_precision) == 8 * size;
            let known = matches!(size, 1 | 2 | 4 | 8) && *byte_order != DatatypeByteOrder::Vax;
            (whole && known).then_some(Stored::Numbers)
        }
        Datatype::FloatingPoint { size, layout, byte_order } => match (size, *layout, byte_order) {
            (_, _, DatatypeByteOrder::Vax) => None,
            (4, FloatingPointLayout::IEEE754_BINARY32, _) | (8, FloatingPointLayout::IEEE754_BINARY64, _) => {
                Some(Stored::Numbers)
            }
            (2, HALF, DatatypeByteOrder::LittleEndian) => Some(Stored::Halves(u16::from_le_bytes)),
            (2, HALF, DatatypeByteOrder::BigEndian) => Some(Stored::Halves(u16::from_be_bytes)),
            _ => None,
        },
        // What h5py makes of truth values.
        Datatype::Enumeration { base_type, .. } => {
            stored(base_type).filter(|_| matches!(**base_type, Datatype::FixedPoint { .. }))
        }
        _ => None,
    }
}

/// The number of these bits of half precision.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Edges of texts of shape `[edges, 2]`.
fn edges(value: Value, at: &str) -> Result<Vec<(String, String)>, NirError> {
    match value {
        Value::Nothing => Ok(vec![]),
        Value::Texts { shape, texts } if matches!(shape[..], [_, 2]) => {
            let mut texts = texts.into_iter();
            let mut edges = vec![];
            while let (Some(from), Some(to)) = (texts.next(), texts.next()) {
                edges.push((from, to));
            }
            Ok(edges)
        }
        Value::Texts { shape, .. } => {
            Err(refused(at, format!("has the shape {shape:?}; allowed is [edges, 2]")))
        }
        Value::Numbers(_) => Err(refused(at, "holds numbers; allowed are names of nodes")),
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_have_the_values_of_their_definition() {
        let cases = [
            (0x0000, 0.0),
            (0x0001, 2_f64.powi(-24)),
            (0x03ff, 1023.0 * 2_f64.powi(-24)),
            (0x0400, 2_f64.powi(-14)),
            (0x3c00, 1.0),
            (0xc100, -2.5),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
