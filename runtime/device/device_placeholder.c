extern const int umb_device_placeholder;
const int umb_device_placeholder = 0;
