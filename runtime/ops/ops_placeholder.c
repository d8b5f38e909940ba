extern const int umb_ops_placeholder;
const int umb_ops_placeholder = 0;
