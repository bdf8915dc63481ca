//! ONNX files with sparse initialisers, which no writer at hand makes.

use rten_onnx::onnx::{
    DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto,
    TypeProtoTensor, ValueInfoProto,
};

/// A field of bytes in the wire format of Protocol Buffers.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut made = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        made.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    made.push(length as u8);
    made.extend_from_slice(bytes);
    made
}

/// `SparseTensorProto`: values, their places in row-major order (or one per axis), and the shape.
pub fn sparse(name: &str, extents: &[usize], values: &[f32], places: &[i64], per_axis: bool) -> Vec<u8> {
    let varints = |list: &[usize]| -> Vec<u8> {
        let mut bytes = vec![];
        for &number in list {
            let mut number = number;
            while number >= 0x80 {
                bytes.push((number & 0x7f) as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        }
        bytes
    };
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let of_values =
        [field(1, &varints(&[values.len()])), vec![0x10, 1], field(8, name.as_bytes()), field(9, &raw)];
    let shape = if per_axis { vec![values.len(), extents.len()] } else { vec![values.len()] };
    let raw: Vec<u8> = places.iter().flat_map(|place| place.to_le_bytes()).collect();
    let of_places = [field(1, &varints(&shape)), vec![0x10, 7], field(9, &raw)];
    [field(1, &of_values.concat()), field(2, &of_places.concat()), field(3, &varints(extents))].concat()
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// `y = relu(x·w)·v` with the given sparse initialisers `w` and `v`.
pub fn two_layers(inputs: usize, initializers: &[Vec<u8>]) -> Vec<u8> {
    let extent = |value| Dimension { dim_value: Some(value), ..Default::default() };
    let batch = Dimension { dim_param: Some("N".into()), ..Default::default() };
    let shape = TensorShapeProto { dim: vec![batch, extent(inputs as i64)] };
    let tensor_type = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor_type), ..Default::default() });
    let graph = GraphProto {
        node: vec![
            node("MatMul", &["x", "w"], "a"),
            node("Relu", &["a"], "b"),
            node("MatMul", &["b", "v"], "y"),
        ],
        initializer: vec![],
        input: vec![ValueInfoProto { name: Some("x".into()), r#type }],
        output: vec![ValueInfoProto { name: Some("y".into()), r#type: None }],
        value_info: vec![],
    };
    let set = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    let model = ModelProto { ir_version: Some(8), opset_import: vec![set], ..Default::default() };
    let alone = ModelProto { graph: Some(graph), ..Default::default() }.write_buf().unwrap();
    // Its only field is the graph: a key, a length, and the graph.
    let start = 1 + alone[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let mut graph = alone[start..].to_vec();
    initializers.iter().for_each(|sparse| graph.extend(field(15, sparse)));
    [model.write_buf().unwrap(), field(7, &graph)].concat()
}
