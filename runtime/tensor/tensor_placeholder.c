extern const int umb_tensor_placeholder;
const int umb_tensor_placeholder = 0;
