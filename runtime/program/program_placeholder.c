extern const int umb_program_placeholder;
const int umb_program_placeholder = 0;
