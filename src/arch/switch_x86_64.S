/*
 * switch_x86_64.S - the switch for x86-64, System V ABI
 *
 * Saved, from the saved stack pointer upwards: r15 r14 r13 r12 rbx rbp, then the address to go on at.
 * notrack: an indirect branch to a place after a call has no endbr64 under -fcf-protection=branch.
 */
        .text

/* Puts this context on its stack, and its stack pointer in (%rdi). */
        .macro SAVE_CONTEXT
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        movq    %rsp, (%rdi)
        .endm

/* The context that the stack pointer was set to, up to its address to go on at. */
        .macro LOAD_CONTEXT
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        .endm

/* To a context that left through this same call: it goes on behind a call like ours, so the return
   predictor, which has ours on top, is right. */
        .globl  weir__arch_switch
        .hidden weir__arch_switch
        .type   weir__arch_switch, @function
        .p2align 4
weir__arch_switch:
        .cfi_startproc
        endbr64
        SAVE_CONTEXT
        movq    %rsi, %rsp
        LOAD_CONTEXT
        ret
        .cfi_endproc
        .size   weir__arch_switch, .-weir__arch_switch

/* To a new stack: nothing was called there, and a return would be predicted wrongly. */
        .globl  weir__arch_enter
        .hidden weir__arch_enter
        .type   weir__arch_enter, @function
        .p2align 4
weir__arch_enter:
        .cfi_startproc
        endbr64
        SAVE_CONTEXT
        movq    %rsi, %rsp
        LOAD_CONTEXT
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   weir__arch_enter, .-weir__arch_enter

/* First frame of a new stack: r12 is the entry, r13 its argument; it returns the stack pointer of the
   context to go on with. */
        .globl  weir__arch_start
        .hidden weir__arch_start
        .type   weir__arch_start, @function
        .p2align 4
weir__arch_start:
        .cfi_startproc
        .cfi_undefined %rip
        endbr64
        xorl    %ebp, %ebp
        movq    %r13, %rdi
        notrack call *%r12
        movq    %rax, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .cfi_endproc
        .size   weir__arch_start, .-weir__arch_start

        .section .note.GNU-stack, "", @progbits
