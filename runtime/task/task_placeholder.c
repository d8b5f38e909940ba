extern const int umb_task_placeholder;
const int umb_task_placeholder = 0;
