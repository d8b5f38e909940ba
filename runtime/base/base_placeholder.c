extern const int umb_base_placeholder;
const int umb_base_placeholder = 0;
