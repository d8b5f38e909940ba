extern const int umb_train_placeholder;
const int umb_train_placeholder = 0;
