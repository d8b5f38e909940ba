extern const int umb_data_placeholder;
const int umb_data_placeholder = 0;
