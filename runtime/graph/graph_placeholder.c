extern const int umb_graph_placeholder;
const int umb_graph_placeholder = 0;
