/// The forms of conversations that have names, each written in the language of templates, without what a model may
/// add to it: a system text of its own, a date.
struct ChatForm {
  let name: String
  /// Special tokens that show a tokenizer to be of this form; empty for a form that no token shows.
  let markers: [String]
  let template: String

  static let all = [
    chatML,
    ChatForm(
      name: "llama2", markers: [],
      template: """
        {%- set ns = namespace(system='') %}
        {%- for m in messages %}
        {%- if m.role == 'system' %}{% set ns.system = '<<SYS>>\\n' + m.content + '\\n<</SYS>>\\n\\n' %}
        {%- elif m.role == 'user' %}
        {{- '<s>[INST] ' + (ns.system + m.content).strip() + ' [/INST]' }}{% set ns.system = '' %}
        {%- else %}
        {{- ' ' + m.content.strip() + ' </s>' }}
        {%- endif %}
        {%- endfor %}
        """),
    ChatForm(
      name: "llama3", markers: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
      template: """
        {{- '<|begin_of_text|>' }}
        {%- for m in messages %}
        {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
        {%- endif %}
        """),
    ChatForm(
      name: "mistral", markers: [],
      template: """
        {{- '<s>' }}
        {%- set ns = namespace(system='') %}
        {%- for m in messages %}
        {%- if m.role == 'system' %}{% set ns.system = m.content + '\\n\\n' %}
        {%- elif m.role == 'user' %}
        {{- '[INST] ' + ns.system + m.content + ' [/INST]' }}{% set ns.system = '' %}
        {%- else %}
        {{- m.content + '</s>' }}
        {%- endif %}
        {%- endfor %}
        """),
    ChatForm(
      name: "gemma", markers: ["<start_of_turn>", "<end_of_turn>"],
      template: """
        {{- '<bos>' }}
        {%- set ns = namespace(system='') %}
        {%- for m in messages %}
        {%- if m.role == 'system' %}{% set ns.system = m.content + '\\n\\n' %}
        {%- else %}
        {{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}
        {{- (ns.system + m.content) | trim + '<end_of_turn>\\n' }}{% set ns.system = '' %}
        {%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<start_of_turn>model\\n' }}
        {%- endif %}
        """),
    ChatForm(
      name: "phi3", markers: ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
      template: """
        {%- for m in messages %}
        {{- '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<|assistant|>\\n' }}
        {%- endif %}
        """),
    ChatForm(
      name: "zephyr", markers: [],
      template: """
        {%- for m in messages %}
        {{- '<|' + m.role + '|>\\n' + m.content + '</s>\\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<|assistant|>\\n' }}
        {%- endif %}
        """),
    plain,
  ]

  static let chatML = ChatForm(
    name: "chatml", markers: ["<|im_start|>", "<|im_end|>"],
    template: """
      {%- for m in messages %}
      {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
      {%- endfor %}
      {%- if add_generation_prompt %}
      {{- '<|im_start|>assistant\\n' }}
      {%- endif %}
      """)

  /// The texts as they are: for models that were not made for conversations.
  static let plain = ChatForm(
    name: "plain", markers: [],
    template: """
      {%- for m in messages %}
      {{- m.content if loop.last else m.content + '\\n' }}
      {%- endfor %}
      """)
}
